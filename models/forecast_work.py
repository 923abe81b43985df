"""Answers of forecasters on disk, so that a long evaluation that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..pipeline.errors import BadInput
from . import forecast_answers
from .code_digest import code_digest
from .forecast_answers import Answers
from .forecast_problem import Trainer
from .forecast_question import ForecastQuestion
from .tensor_file import write_or_refuse

LOCK_FILE = "lock"


class ForecastWork:
    """A folder of answers by what they hang on: data, rows, columns, model, seed and the models' code.

    Answers to another question lie beside these and are not mistaken for them. `seconds` add up over
    kills.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{folder}: cannot be made: {error.strerror}") from None

    def place(
        self,
        question: ForecastQuestion,
        columns: slice,
        model: str,
        trainer: Trainer,
        seed: int,
        settings: Mapping[str, int] | None = None,
    ) -> WorkPlace:
        """Where the answers of one model with one seed are, or will be; `settings` are what else they hang
        on."""
        code = code_digest(forecast_answers.__name__, trainer.__module__)
        facts = [question.digest, columns.start, columns.stop, model, seed, code, settings]
        sha = hashlib.sha256(json.dumps(facts).encode())
        return WorkPlace(self.folder / f"{model}-seed{seed}-{sha.hexdigest()[:16]}")

    @contextmanager
    def for_one_run(self, limit: str = "one at a time") -> Iterator[None]:
        """The folder is this run's alone, and goes with all that is in it unless the run fails.

        BadInput where it is another run's, with what the command has for a `limit`.
        """
        try:
            handle = os.open(self.folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadInput(f"{self.folder}: cannot be written: {error.strerror}") from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadInput(f"{self.folder}: another run is at work there; limit: {limit}") from None
            yield
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            os.close(handle)


class WorkPlace:
    """The files of one model, one seed and one question; `checkpoint` is its training's own."""

    def __init__(self, stem: Path) -> None:
        self._answers = stem.with_name(f"{stem.name}.npz")
        self._seconds = stem.with_name(f"{stem.name}.seconds")
        self.checkpoint = stem.with_name(f"{stem.name}.safetensors")

    def load(self) -> Answers | None:
        """The answers; None where they are not there, or not whole."""
        try:
            with np.load(io.BytesIO(self._answers.read_bytes()), allow_pickle=False) as arrays:
                seconds = arrays["seconds"]
                return Answers(arrays["forecasts"], float(seconds[0]), float(seconds[1]))
        except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile):
            return None

    def save(self, answers: Answers) -> None:
        """Keep the answers; what only an unfinished training needs goes. BadInput where the disk refuses."""
        content = io.BytesIO()
        seconds = np.array([answers.training_seconds, answers.asking_seconds])
        np.savez(content, forecasts=answers.forecasts, seconds=seconds)
        write_or_refuse(self._answers, content.getvalue())
        for left in (self.checkpoint, self._seconds):
            left.unlink(missing_ok=True)

    def seconds_before(self) -> float:
        """What trainings that were killed took, up to the last epoch that ended."""
        try:
            return float(self._seconds.read_text()) if self.checkpoint.is_file() else 0.0
        except (OSError, ValueError):
            return 0.0

    def keep_seconds(self, seconds: float) -> None:
        """Called with each epoch. BadInput where the disk refuses."""
        write_or_refuse(self._seconds, repr(seconds).encode())
