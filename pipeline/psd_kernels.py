"""The loops around the FFT, compiled by numba, without the GIL: weigh a frame; add up, or hold, its power.

Compiled at first use for each kind of sample, then loaded from numba's cache: beside this file, or in the
user's cache where that cannot be written, or compiled at each start where that cannot either. To import
this module takes numba's half second: only who makes rows does.

Every loop is over elements that do not depend on one another, so that the order in which a processor takes
them never shows in a bit; and nothing assumes that numbers are finite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .frames import Float32

GROUP_FRAMES = 32
"""Frames whose power is added up in float32 before it goes into float64: rounds by less than 1e-5 dB."""

_CONTRACT = {"contract"}
"""A product and a sum may round once. No other liberty: others take NaN for impossible."""

Kernel = Callable[..., None]

_NUMBERS = types.Array(types.float32, 1, "C")
_FRAMES = types.Array(types.float32, 2, "C")
_POWER = types.Array(types.float64, 1, "C")
_ROWS = types.Array(types.float64, 2, "C")


@functools.cache
def rows_by_fftw(kind: np.dtype[Any]) -> Kernel:
    """(samples, hop, frames, weights, zero, is_max, execute, plan, frame, spectrum, group, power) -> None.

    Shape: flat samples of `kind` [2 n]; weights, frame, spectrum, group float32 [2 bins]; power float64
    [rows, bins], written: the sum, or the maximum, of the power of the frames of each row, DC first.
    `execute` is the address of `fftwf_execute_dft`, and `plan` takes `frame` to `spectrum`.
    """
    given = (_samples(kind), types.intp, types.intp, _NUMBERS, types.float32, types.boolean)
    own = (types.intp, types.intp, _NUMBERS, _NUMBERS, _NUMBERS, _ROWS)
    return compiled(types.void(*given, *own), _rows_by_fftw)


@functools.cache
def weigh_frames(kind: np.dtype[Any]) -> Kernel:
    """(samples, hop, weights, zero, frames) -> None: weighted frames float32 [frames, 2 bins], written."""
    given = (_samples(kind), types.intp, _NUMBERS, types.float32, _FRAMES)
    return compiled(types.void(*given), _weigh_frames)


@functools.cache
def add_frames() -> Kernel:
    """(spectra, is_max, group, power) -> None: the power of spectra float32 [frames, 2 bins] joins `power`.

    Shape: power float64 [bins], DC first; group float32 [2 bins], zero before the first frame of a row.
    """
    return compiled(types.void(_FRAMES, types.boolean, _NUMBERS, _POWER), _add_frames)


def compiled(signature: Any, function: Kernel) -> Kernel:
    """The function in machine code, from the cache if it is there, into it if that can be."""
    try:
        return njit(signature, nogil=True, cache=True, fastmath=_CONTRACT)(function)
    except (RuntimeError, OSError):  # no directory to write to; or it filled up
        return njit(signature, nogil=True, fastmath=_CONTRACT)(function)


def _samples(kind: np.dtype[Any]) -> Any:
    # Files are mapped read-only, and samples begin wherever a header ends.
    scalar = {"float32": types.float32, "int8": types.int8, "int16": types.int16, "uint8": types.uint8}
    return types.Array(scalar[kind.name], 1, "C", readonly=True, aligned=False)


def _call_by_address(typing: Any, execute: Any, plan: Any, frame: Any, spectrum: Any) -> Any:
    """Call `void fftwf_execute_dft(plan, in, out)` by its address: unlike a ctypes function, that is no
    constant of the compiled code, which can so be cached."""
    del typing, execute, plan, frame, spectrum

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        pointer = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [pointer] * 3)
        address = builder.inttoptr(arguments[0], function.as_pointer())
        builder.call(address, [builder.inttoptr(argument, pointer) for argument in arguments[1:]])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


_execute_dft: Any = intrinsic(_call_by_address)


@njit(fastmath=_CONTRACT)
def _weigh(samples: NDArray[Any], weights: Float32, zero: np.float32, frame: Float32) -> None:
    for i in range(weights.size):
        frame[i] = (np.float32(samples[i]) - zero) * weights[i]


@njit(fastmath=_CONTRACT)
def _add(spectrum: Float32, is_max: bool, group: Float32) -> None:
    if is_max:
        for k in range(spectrum.size // 2):
            power = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1]
            # NaN takes any place, and nothing is greater than NaN: both ways it stays.
            group[k] = power if power > group[k] or np.isnan(power) else group[k]
    else:
        for i in range(spectrum.size):
            group[i] += spectrum[i] * spectrum[i]


@njit(fastmath=_CONTRACT)
def _close_group(is_max: bool, group: Float32, power: NDArray[np.float64]) -> None:
    if is_max:
        for k in range(power.size):
            power[k] = group[k]
    else:
        for k in range(power.size):
            power[k] += np.float64(group[2 * k]) + np.float64(group[2 * k + 1])
        group[:] = 0


def _rows_by_fftw(
    samples: NDArray[Any],
    hop: int,
    frames: int,
    weights: Float32,
    zero: np.float32,
    is_max: bool,
    execute: int,
    plan: int,
    frame: Float32,
    spectrum: Float32,
    group: Float32,
    power: NDArray[np.float64],
) -> None:
    for row in range(power.shape[0]):
        power[row, :] = 0
        group[:] = 0
        for number in range(frames):
            start = 2 * hop * (row * frames + number)
            _weigh(samples[start : start + weights.size], weights, zero, frame)
            _execute_dft(execute, plan, frame.ctypes.data, spectrum.ctypes.data)
            _add(spectrum, is_max, group)
            if number + 1 == frames or (number + 1) % GROUP_FRAMES == 0:
                _close_group(is_max, group, power[row])


def _weigh_frames(
    samples: NDArray[Any], hop: int, weights: Float32, zero: np.float32, frames: Float32
) -> None:
    for number in range(frames.shape[0]):
        start = 2 * hop * number
        _weigh(samples[start : start + weights.size], weights, zero, frames[number])


def _add_frames(spectra: Float32, is_max: bool, group: Float32, power: NDArray[np.float64]) -> None:
    for number in range(spectra.shape[0]):
        _add(spectra[number], is_max, group)
        if number + 1 == spectra.shape[0] or (number + 1) % GROUP_FRAMES == 0:
            _close_group(is_max, group, power)
