"""One agent a state directory."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from .failure import Failure

LOCK_FILE = "lock"


class DirectoryLock:
    """Held from `take` to `release`, or to the end of the process however it ends.

    The file names the holder's process, for whoever is refused.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def take(self) -> None:
        """Raises Failure, with the holder's process id, where another has it; OSError where the disk is
        read-only or full."""
        if self._handle is not None:
            if self._is_in_place(self._handle):
                return
            self.release()  # of a directory that was deleted: it keeps nobody out
        self._directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            os.close(handle)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise Failure(
                f"store.directory {self._directory}: in use by the agent of process {holder or 'unknown'}; "
                "limit: one agent a directory"
            ) from None
        self._handle = handle
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # A full disk: who holds the lock cannot be told, but it is held.
            pass

    def _is_in_place(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), (self._directory / LOCK_FILE).stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go; harmless where nothing is held. The file stays: to delete it would be a race."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
