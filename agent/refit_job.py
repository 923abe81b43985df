"""What the agent hands to the worker that fits a band's forecaster, and what it gets back."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ..pipeline.durable_file import new_folder
from ..pipeline.errors import BadInput

JOB_PREFIX = ".job-"
_JOB, _RESULT = "job.json", "result.json"


@dataclass(frozen=True, slots=True)
class RefitJob:
    """One re-fit of one band: its store, the settings its steps rest on, and the key of the fit in use."""

    directory: str
    node: str
    band: str
    mask_hz: list[list[float]]
    dc_bins: int
    step_seconds: float
    days: float
    seed: int
    in_use: str | None


@dataclass(frozen=True, slots=True)
class RefitResult:
    """`outcome` is `fitted`, `no_worse` (the fit in use is) or `too_few_steps`; `key` of the new fit.

    Errors are of whichever is in use from now on, on the newest steps, dB. Of too few steps, those that are
    missing take `wait_seconds` if none is lost; None where that is not known.
    """

    outcome: str
    key: str | None = None
    steps: int = 0
    rmse_db: float = 0.0
    repeat_last_rmse_db: float = 0.0
    wait_seconds: float | None = None


def new_refit_job(folder: Path, job: RefitJob) -> Path:
    """Write a job into a folder of its own below `folder`. OSError as the system gives it."""
    new_folder(folder)
    path = Path(tempfile.mkdtemp(dir=folder, prefix=JOB_PREFIX))
    try:
        (path / _JOB).write_text(json.dumps(asdict(job)))
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def read_refit_job(path: Path) -> RefitJob:
    """What `new_refit_job` wrote; BadInput where it is something else."""
    try:
        return RefitJob(**json.loads((path / _JOB).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path / _JOB}: not a job: {error}") from None


def write_refit_result(path: Path, result: RefitResult) -> None:
    """Leave in a job's folder what came of it."""
    part = path / f"{_RESULT}.part"
    part.write_text(json.dumps(asdict(result)))
    part.replace(path / _RESULT)


def read_refit_result(path: Path) -> RefitResult:
    """What `write_refit_result` left; BadInput where there is nothing."""
    try:
        return RefitResult(**json.loads((path / _RESULT).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path / _RESULT}: not a result: {error}") from None


def tidy_refit_jobs(folder: Path) -> None:
    """Let go of jobs that a killed agent left."""
    for path in folder.glob(f"{JOB_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)
