"""The process that explains one band's clusters, at the lowest priority the system has; then it ends.

`python -m bandwatch.agent.explainer_worker JOB`, with a pipe as its standard input: when that closes, the
agent is gone, and so is the worker.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.errors import BadInput
from .explain_job import Result, read_job, result_of, write_result

if TYPE_CHECKING:
    from ..models.bundle import Bundle

NICE = 19
FIRST_TO_BE_KILLED = "1000"
EXIT_REFUSED = 2
_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_COUNTS, "1")
"""Of the environment that the worker is started in: libraries read it when they are loaded."""


def main(arguments: Sequence[str]) -> int:
    """Do the job in the folder that is named; 0, or 2 with a line that says why it cannot be done."""
    yield_to_everyone()
    threading.Thread(target=end_with_the_agent, daemon=True).start()
    try:
        work(Path(arguments[0]))
    except BadInput as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        return EXIT_REFUSED
    return 0


def work(folder: Path) -> Result:
    """Explain, publish, and leave the result in the job's folder."""
    job, model = read_job(folder)
    import torch

    torch.set_num_threads(1)
    from ..explain.refresh import refresh
    from ..explain.refreshed import publish
    from ..models.bundle import ENCODER_FILE, Bundle
    from ..models.encoder import encoder_with
    from ..models.encoder_weights import read_weights
    from .reservoir import read_windows

    bundle = Bundle.load(job.bundle, device="cpu", threads=1, cache_directory=Path(job.cache))
    _check(bundle, job.bundle_hash)
    width = bundle.manifest.width
    encoder = encoder_with(read_weights(bundle.part(ENCODER_FILE), width), width)
    recent = read_windows(folder)
    explanation = refresh(
        recent.values,
        recent.segments,
        recent.clusters,
        recent.start_ns,
        recent.row_seconds,
        model,
        encoder,
        bundle.embed,
    )
    about = {name: value for name, value in asdict(job).items() if name not in ("output", "cache")}
    published = publish(Path(job.output), explanation, about, time.time_ns())
    result = result_of(published)
    write_result(folder, result)
    return result


def yield_to_everyone() -> None:
    """Run only when nobody else wants to, and be the first to go where memory runs out."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    if hasattr(os, "SCHED_IDLE"):
        # A process that wakes up waits for a nice one's slice to end, for an idle one not at all.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_BE_KILLED)


def _check(bundle: Bundle, wanted: str) -> None:
    if bundle.hash != wanted:
        raise BadInput(
            f"bundle {bundle.path}: its hash is {bundle.hash[:12]} now, the agent's was {wanted[:12]}"
        )


def end_with_the_agent() -> None:
    """Wait until standard input is closed, and end the process."""
    # Not through sys.stdin: its lock would be held when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
