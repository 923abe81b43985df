"""One worker process as the agent sees it: started on the folder of its job, at work, and how it ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .worker_process import EXIT_DISK, EXIT_REFUSED, ONE_THREAD

END_SECONDS = 1.0
_ERRORS = "errors.txt"
_KINDS = {EXIT_REFUSED: "refused", EXIT_DISK: "disk"}

Failure = tuple[str, str]
"""Kind, one of `timeout`, `killed`, `refused`, `disk`, `error`; and why."""


class WorkerProcess:
    """`command FOLDER ESCALATION` (see `worker_process.py`). OSError where it cannot be started."""

    def __init__(self, command: Sequence[str], folder: Path, escalation: int) -> None:
        self._folder = folder
        with errors_file(folder).open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, str(folder), str(escalation)],
                # In the agent's session: where the kernel groups processes by session, a nice value
                # counts only within one. The pipe closes when the agent ends, however it does.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=os.environ | ONE_THREAD,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def failure(self) -> Failure | None:
        """Of one that has ended: `killed`, `refused`, `disk` or `error`, and why; None where all is well."""
        code = self._process.poll()
        if not code:
            return None
        if code < 0:
            return "killed", f"by signal {-code}"
        message = last_error(self._folder) or f"exit code {code}"
        return _KINDS.get(code, "error"), message

    def end(self) -> bool:
        """Whether the process is gone. One that hardly gets a processor needs a while even to be killed."""
        with suppress(OSError):
            self._process.kill()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        return not self.is_alive


def errors_file(folder: Path) -> Path:
    """Where the complaints of the worker that is at this job go."""
    return folder / _ERRORS


def last_error(folder: Path) -> str:
    """The last line of the worker's complaints; empty without one."""
    try:
        lines = errors_file(folder).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("error: ")[:500] if lines else ""
