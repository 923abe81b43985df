"""An HDF5 file opened so that damage in it cannot ask for memory without limit."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

MOST_METADATA_BYTES = 256 * 1024 * 1024
_STATUS = Path("/proc/self/status")
_ceiling = threading.Lock()


@contextmanager
def open_hdf5(path: Path, cache_bytes: int) -> Iterator[h5py.File]:
    """A file for reading; `cache_bytes` hold chunks. Raises what h5py raises."""
    with metadata_ceiling():
        file = h5py.File(path, "r", rdcc_nbytes=cache_bytes)
    with file:
        yield file


@contextmanager
def metadata_ceiling() -> Iterator[None]:
    """While metadata are read, the process may take no more than another 256 MiB, on Linux.

    libhdf5 believes the sizes in object headers and takes 3 GB for a damaged file of 5 kB before it refuses
    it. Refused the memory, it raises OSError at once. For moments: the limit is the whole process's.
    """
    with _ceiling:
        data_bytes = _data_bytes()
        if data_bytes is None:
            yield
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = data_bytes + MOST_METADATA_BYTES
        limits = [each for each in (soft, hard, most) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """What the process holds of its own data; None where the system does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), None)
