"""What the agent hands to the worker that explains a band, and what it gets back: a folder of files."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..explain.published import FACTS
from ..models.activity import BandModel
from ..pipeline.durable_file import new_folder
from ..pipeline.errors import BadInput
from ..pipeline.state import read_state, write_state
from .reservoir import Reservoir
from .said_offline import names_of
from .words_file import read_book, words_path

EXPLAIN_FOLDER = "explain"
JOB_PREFIX = ".job-"
REQUEST_FILE = "refresh"
_JOB, _MODEL, _RESULT = "job.json", "model.state", "result.json"


@dataclass(frozen=True, slots=True)
class Job:
    """One refresh: of which band, by which bundle, where to, and why. `cache`, the state directory, keeps
    inference graphs; of more than `most_windows` windows, so many are taken, evenly over their order.
    `names`: what people call the clusters, by number, as the job is written."""

    node: str
    band: str
    bundle: str
    bundle_hash: str
    output: str
    cache: str
    reason: str
    most_windows: int
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a refresh came to: the folder that holds it, and what metrics and people are told of it.

    `seconds` by kind of work; `fidelity` of the tree on windows it had not seen, None where nothing can be
    said; `sentences` by cluster number.
    """

    folder: str
    made_ns: int
    model: str
    windows: int
    depth: int
    leaves: int
    fidelity: float | None
    fidelity_training: float
    seconds: dict[str, float]
    sentences: dict[str, str]


def no_room(directory: Path, needed_bytes: int) -> str | None:
    """Why there is no room for so much on a disk; None where there is, or no such folder yet."""
    if not directory.is_dir():
        return None
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes >= needed_bytes:
        return None
    return f"{directory}: {free_bytes >> 20} MiB free; limit: {needed_bytes >> 20} MiB"


def new_job(folder: Path, job: Job, model: BandModel, reservoir: Reservoir) -> Path:
    """Write a job for the worker into a folder of its own below `folder`; all of it, or nothing stays.

    OSError as the system gives it; BadInput where the reservoir is emptied meanwhile.
    """
    new_folder(folder)
    path = Path(tempfile.mkdtemp(dir=folder, prefix=JOB_PREFIX))
    try:
        reservoir.write(path)
        write_state(path / _MODEL, model.state())
        (path / _JOB).write_text(json.dumps(asdict(replace(job, names=_names(job, model.name)))))
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path


def _names(job: Job, model: str) -> dict[str, str]:
    """Empty where the file of words cannot be used: the agent tells of that itself (`Words`)."""
    try:
        book = read_book(words_path(Path(job.cache)))
    except BadInput:
        return {}
    names = names_of(book, (job.bundle_hash, job.node, job.band), model)
    return {str(cluster): name for cluster, name in names.items()}


def read_job(path: Path) -> tuple[Job, BandModel]:
    """What `new_job` wrote."""
    return Job(**_json(path / _JOB)), BandModel.of_state(read_state(path / _MODEL))


def result_of(published: Path) -> Result:
    """What a published explanation says; BadInput where it is not one."""
    facts = _json(published / FACTS)
    try:
        tree = facts["tree"]
        return Result(
            folder=str(published),
            made_ns=int(facts["made_ns"]),
            model=facts["model"],
            windows=facts["windows"],
            depth=tree["depth"],
            leaves=tree["leaves"],
            fidelity=tree["fidelity"],
            fidelity_training=tree["fidelity_training"],
            seconds=facts["seconds"],
            sentences={str(each["cluster"]): each["sentence"] for each in facts["clusters"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{published / FACTS}: not an explanation: {error!r}") from None


def write_result(path: Path, result: Result) -> None:
    """Leave in a job's folder what came of it."""
    part = path / f"{_RESULT}.part"
    part.write_text(json.dumps(asdict(result)))
    part.replace(path / _RESULT)


def read_result(path: Path) -> Result:
    """What `write_result` left; BadInput where there is nothing."""
    try:
        return Result(**_json(path / _RESULT))
    except TypeError as error:
        raise BadInput(f"{path / _RESULT}: {error}") from None


def tidy_jobs(folder: Path) -> None:
    """Let go of jobs that a killed agent left."""
    for path in folder.glob(f"{JOB_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}: {type(found).__name__}, needs an object")
    return found
