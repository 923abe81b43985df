"""One worker process, the folder of its job, and how it ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .explain_job import errors_file, last_error
from .worker_process import EXIT_REFUSED, ONE_THREAD

WORKER = (sys.executable, "-m", f"{__package__}.explainer_worker")
END_SECONDS = 1.0


class WorkerProcess:
    """Started with the job in `folder`, for `band`, because of `reason`; takes the folder away at its `end`.

    OSError, and the folder is gone, where it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        band: tuple[str, str],
        reason: str,
        *,
        started_seconds: float,
    ) -> None:
        self.folder = folder
        self.band = band
        self.reason = reason
        self.started_seconds = started_seconds
        try:
            with errors_file(folder).open("wb") as errors:
                self._process = subprocess.Popen(
                    [*command, str(folder)],
                    # In the agent's session: where the kernel groups processes by session, a nice value
                    # counts only within one. The pipe closes when the agent ends, however it does.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=os.environ | ONE_THREAD,
                )
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def failure(self) -> tuple[str, str] | None:
        """Of one that has ended: `killed`, `refused` or `error`, and why; None where all is well."""
        code = self._process.poll()
        if not code:
            return None
        if code < 0:
            return "killed", f"by signal {-code}"
        message = last_error(self.folder) or f"exit code {code}"
        return ("refused" if code == EXIT_REFUSED else "error"), message

    def end(self) -> None:
        """The process is gone after this, and what it was given."""
        with suppress(OSError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)
