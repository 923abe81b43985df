"""What the agent hands to the worker that maps what a band's forecaster looks at, and what it gets back."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..pipeline.durable_file import new_folder
from ..pipeline.errors import BadInput
from .explain_job import EXPLAIN_FOLDER, JOB_PREFIX
from .forecaster_in_use import ForecasterInUse

MAPS_FOLDER = f"{EXPLAIN_FOLDER}/forecasts"
_JOB, _RESULT = "job.json", "result.json"


@dataclass(frozen=True, slots=True)
class ForecastMapJob:
    """One map of one band: its store, the settings its steps rest on, how far back, by which forecaster."""

    directory: str
    node: str
    band: str
    mask_hz: list[list[float]]
    dc_bins: int
    step_seconds: float
    hours: float
    most_windows: int
    reason: str
    in_use: ForecasterInUse


def map_folder(directory: Path, node: str, band: str) -> Path:
    """Where a band's maps stand in a state directory."""
    return directory / MAPS_FOLDER / node / band


def new_map_job(folder: Path, job: ForecastMapJob) -> Path:
    """Write a job into a folder of its own below `folder`. OSError as the system gives it."""
    new_folder(folder)
    path = Path(tempfile.mkdtemp(dir=folder, prefix=JOB_PREFIX))
    try:
        (path / _JOB).write_text(json.dumps(asdict(job)))
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def read_map_job(path: Path) -> ForecastMapJob:
    """What `new_map_job` wrote; BadInput where it is something else."""
    facts = _json(path / _JOB)
    try:
        return ForecastMapJob(**{**facts, "in_use": ForecasterInUse(**facts.get("in_use", {}))})
    except TypeError as error:
        raise BadInput(f"{path / _JOB}: not a job: {error}") from None


def write_map_result(path: Path, published: Path | None) -> None:
    """Leave in a job's folder where the map is; None: there are too few steps."""
    part = path / f"{_RESULT}.part"
    part.write_text(json.dumps({"folder": None if published is None else str(published)}))
    part.replace(path / _RESULT)


def read_map_result(path: Path) -> Path | None:
    """What `write_map_result` left; BadInput where there is nothing."""
    folder = _json(path / _RESULT).get("folder")
    return None if folder is None else Path(str(folder))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: {type(found).__name__}, needs an object")
    return found
