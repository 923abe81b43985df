"""A band's default forecaster as it was fitted: what on, how well it did on newer steps, and its folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..pipeline.durable_file import new_folder, sync
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.state import read_state, write_state
from .error_record import Squares, rmse_db
from .forecast_problem import FittedForecaster
from .forecasters.default import Default
from .forecasters.forecaster import HORIZON_STEPS, span_mhz
from .stated import Stated
from .step_table import StepTable

FIT_FILE = "fit.state"
PART_PREFIX = ".part-"
VERSION = 2
PAST_ROWS = 3 * 24 * 60 + 24
"""So much of the past a running agent keeps for it: three days of minutes and a history."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted forecaster of one band's rows; `key` is made of what is in its folder.

    Fitted on `steps` steps, the last of which ended at `fitted_until_ns`. `squares` is what each of the
    newest, which came after all of these, proved of it; the last of them ended at `scored_until_ns`.
    """

    key: str
    node: str
    band: str
    unit: str
    step_s: float
    frequencies_hz: NDArray[np.float64]
    made_ns: int
    steps: int
    fitted_until_ns: int
    squares: Squares
    scored_until_ns: int
    forecaster: FittedForecaster

    def check(self, frequencies_hz: NDArray[np.float64], step_s: float) -> None:
        """BadInput where these are not what it was fitted on."""
        if step_s != self.step_s:
            raise BadInput(f"fit {self.key}: steps are {step_s:g} s, it was fitted on {self.step_s:g} s")
        if not np.array_equal(frequencies_hz, self.frequencies_hz):
            raise BadInput(
                f"fit {self.key}: the band has {span_mhz(frequencies_hz)}, "
                f"it was fitted on {span_mhz(self.frequencies_hz)}"
            )

    @property
    def rmse_db(self) -> float:
        """On the newest steps, all horizons and frequencies."""
        return rmse_db(self.squares)[0]

    @property
    def repeat_last_rmse_db(self) -> float:
        """Of repeating the last step, on the same."""
        return rmse_db(self.squares)[1]


def squares_of(forecaster: FittedForecaster, values: Float32, origins: Int64) -> Squares:
    """What each row proved of a forecaster's forecasts from these origins.

    Shape: values [n, F], a regular grid whose targets are finite; origins [m].
    """
    sums = np.zeros((len(values), 3))
    for origin in origins.tolist():
        known = values[max(0, origin - PAST_ROWS) : origin]
        mean = forecaster.forecasts(known, np.array([len(known)]))[0].astype(np.float64)
        truth = values[origin : origin + HORIZON_STEPS]
        own = np.square(mean - truth).mean(axis=1)
        own[~np.isfinite(own)] = np.inf
        sums[origin : origin + HORIZON_STEPS, 0] += own
        sums[origin : origin + HORIZON_STEPS, 1] += np.square(values[origin - 1] - truth).mean(axis=1)
        sums[origin : origin + HORIZON_STEPS, 2] += 1
    return sums[sums[:, 2] > 0]


def save_fit(
    folder: Path,
    forecaster: Default,
    table: StepTable,
    *,
    squares: Squares,
    scored_until_ns: int,
    made_ns: int,
) -> str:
    """Write what was fitted on `table` into a folder of its own below `folder`, whole or not at all; its key.

    OSError as the system gives it.
    """
    new_folder(folder)
    part = Path(tempfile.mkdtemp(dir=folder, prefix=PART_PREFIX))
    try:
        forecaster.save(part)
        about = {
            "version": VERSION,
            "node": table.node,
            "band": table.band,
            "unit": table.unit,
            "step_s": table.step_s,
            "frequencies_hz": table.frequencies_hz,
            "made_ns": made_ns,
            "steps": len(table.values),
            "fitted_until_ns": int(table.end_ns[-1]),
            "squares": squares,
            "scored_until_ns": scored_until_ns,
        }
        write_state(part / FIT_FILE, about)
        files = sorted(path for path in part.rglob("*") if path.is_file())
        for path in files:
            sync(path)
        key = _key_of(part, files)
        if (folder / key).exists():
            shutil.rmtree(part)
        else:
            part.chmod(0o755)
            part.replace(folder / key)
            sync(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return key


def load_fit(path: Path) -> Fit:
    """What `save_fit` wrote; BadInput where it is gone, damaged or of another version."""
    kept = Stated(f"fit {path}", read_state(path / FIT_FILE))
    kept.same("version", VERSION)
    if _key_of(path, sorted(each for each in path.rglob("*") if each.is_file())) != path.name:
        raise BadInput(f"{path}: its files are not those that were written")
    return Fit(
        key=path.name,
        node=kept.text("node"),
        band=kept.text("band"),
        unit=kept.text("unit"),
        step_s=kept.number("step_s"),
        frequencies_hz=kept.array("frequencies_hz", np.float64, (None,)),
        made_ns=kept.integer("made_ns"),
        steps=kept.integer("steps"),
        fitted_until_ns=kept.integer("fitted_until_ns"),
        squares=kept.array("squares", np.float64, (None, 3)),
        scored_until_ns=kept.integer("scored_until_ns"),
        forecaster=Default.load(path),
    )


def _key_of(folder: Path, files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for path in files:
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]
