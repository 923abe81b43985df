"""The process that fits one band's forecaster on what is stored, at the lowest priority; then it ends.

`python -m bandwatch.agent.refit_worker JOB` (`worker_process.py`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ..pipeline.errors import BadInput
from ..pipeline.masks import Mask
from .refit_job import RefitJob, RefitResult, read_refit_job, write_refit_result
from .worker_process import run_worker

MOST_ROWS = 2_000_000


def work(folder: Path) -> RefitResult:
    """Read, fit, publish, and leave the result in the job's folder."""
    result = _fitted(read_refit_job(folder))
    write_refit_result(folder, result)
    return result


def _fitted(job: RefitJob) -> RefitResult:
    from ..models.error_record import rmse_db
    from ..models.refit import LEAST_STEPS, refit
    from .fits import Fits
    from .stored_steps import stored_steps

    directory = Path(job.directory)
    fits = Fits(directory)
    table = stored_steps(
        directory,
        job.node,
        job.band,
        mask=Mask(tuple((low, high) for low, high in job.mask_hz), job.dc_bins),
        step_s=job.step_seconds,
        days=job.days,
        most_rows=MOST_ROWS,
        told=_told,
    )
    in_use = None
    if job.in_use is not None:
        try:
            in_use = fits.load(job.node, job.band, job.in_use)
        except BadInput as refusal:  # nothing to compare with
            _told(str(refusal))
    if table is None:
        return RefitResult("too_few_steps")
    if (missing := LEAST_STEPS - len(table.values)) > 0:
        wait_seconds = missing * table.step_s
        return RefitResult("too_few_steps", steps=len(table.values), wait_seconds=wait_seconds)
    folder = fits.folder(job.node, job.band)
    found = refit(table, folder, in_use=in_use, seed=job.seed, made_ns=time.time_ns())
    if found is None:
        return RefitResult("too_few_steps", steps=len(table.values))
    outcome = "no_worse" if found.key is None else "fitted"
    return RefitResult(outcome, found.key, found.steps, *rmse_db(found.squares))


def _told(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(run_worker(work, sys.argv[1:]))
