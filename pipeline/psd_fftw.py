"""FFTW in single precision: the library that pyfftw brings, and plans for one frame.

FFTW is under the GPL: it is no dependency, and is taken only where the extra `fftw` installed pyfftw.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from importlib import metadata

import numpy as np

from .frames import Float32

_FORWARD = -1
_ESTIMATE = 1 << 6
"""FFTW picks a plan by rule. Measuring would gain a few per cent at powers of two, but picks by the clock:
another run of the same recording would round otherwise."""

_ALIGNMENT = 64
_SYSTEM_LIBRARIES = ("libfftw3f.so.3", "libfftw3f.3.dylib")
_planning = threading.Lock()  # FFTW's planner is not safe in threads; to execute is


def numbers_aligned(count: int) -> Float32:
    """float32 [count], uninitialised, at the start of a cache line, as plans expect."""
    memory = np.empty(4 * count + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + 4 * count].view(np.float32)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, or None where pyfftw is not installed, or nothing of it loads.

    Wheels of pyfftw bring the library; where pyfftw was built otherwise (conda, a distribution) it is the
    system's.
    """
    try:
        files = metadata.files("pyfftw") or []
    except metadata.PackageNotFoundError:
        return None
    own = [str(file.locate()) for file in files if file.name.startswith(("libfftw3f-", "libfftw3f."))]
    for name in (*own, *_SYSTEM_LIBRARIES):
        try:
            loaded = ctypes.CDLL(name)
            loaded.fftwf_plan_dft_1d.restype = ctypes.c_void_p
            loaded.fftwf_plan_dft_1d.argtypes = [
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_uint,
            ]
            execute_address(loaded)
        except (OSError, AttributeError):  # absent; or not FFTW
            continue
        return loaded
    return None


def execute_address(fftw: ctypes.CDLL) -> int:
    """Where `void fftwf_execute_dft(plan, in, out)` is."""
    address = ctypes.cast(fftw.fftwf_execute_dft, ctypes.c_void_p).value
    assert address is not None
    return address


@functools.cache
def plan(bins: int) -> int:
    """A plan from one frame complex64 [bins] to another, both aligned; kept as long as the process runs."""
    fftw = library()
    assert fftw is not None, "who plans has chosen FFTW"
    frame, spectrum = numbers_aligned(2 * bins), numbers_aligned(2 * bins)
    with _planning:
        made = fftw.fftwf_plan_dft_1d(bins, frame.ctypes.data, spectrum.ctypes.data, _FORWARD, _ESTIMATE)
    if not made:
        raise MemoryError(f"FFTW has no plan for {bins} bins")
    return made
