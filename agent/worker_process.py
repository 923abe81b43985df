"""How a worker process runs beside the agent: at the lowest priority that will do, and never without it."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..pipeline.errors import BadInput


@dataclass(frozen=True, slots=True)
class Priority:
    """A nice value; `is_idle` on Linux also of the class that runs when nobody else wants to."""

    nice: int
    is_idle: bool

    @property
    def words(self) -> str:
        return f"nice {self.nice}" + (", when the processor is idle" if self.is_idle else "")


PRIORITIES = (Priority(19, is_idle=True), Priority(19, is_idle=False), Priority(10, is_idle=False))
"""By escalation: how often workers of this kind have run out of time."""
MOST_ESCALATION = len(PRIORITIES) - 1
FIRST_TO_BE_KILLED = "1000"
EXIT_REFUSED, EXIT_DISK = 2, 3
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_COUNTS, "1")
"""Of the environment that a worker is started in: libraries read it when they are loaded."""


def run_worker(work: Callable[[Path], object], arguments: Sequence[str]) -> int:
    """Do the job in the folder that is named; 0, or 2 with a line that says why it cannot be done, 3 where it
    is the disk.

    The second argument, if there is one, is the escalation. Standard input is a pipe from the agent: when
    that closes, the agent is gone, and so is the worker.
    """
    make_way(int(arguments[1]) if len(arguments) > 1 else 0)
    threading.Thread(target=end_with_the_agent, daemon=True).start()
    try:
        work(Path(arguments[0]))
    except BadInput as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        return EXIT_REFUSED
    except OSError as error:
        if error.errno not in _DISK:
            raise
        sys.stderr.write(f"error: {error.filename or arguments[0]}: {error.strerror}\n")
        return EXIT_DISK
    return 0


def make_way(escalation: int = 0) -> None:
    """Let others run first, and be the first to go where memory runs out."""
    priority = PRIORITIES[escalation]
    with suppress(OSError):
        # Never before the agent: it may have been started at a nice value of its own.
        os.setpriority(os.PRIO_PROCESS, 0, max(priority.nice, os.getpriority(os.PRIO_PROCESS, 0)))
    if priority.is_idle and hasattr(os, "SCHED_IDLE"):
        # A process that wakes up waits for a nice one's slice to end, for an idle one not at all.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_BE_KILLED)


def end_with_the_agent() -> None:
    """Wait until standard input is closed, and end the process."""
    # Not through sys.stdin: its lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)
