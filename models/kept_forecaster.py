"""Fitted forecasters that an agent fits by itself: how each is trained, kept in a folder, and read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.state import read_state, write_state
from .forecast_problem import FittedForecaster, Trainer
from .forecasters.fitted_nlinear import FittedNLinear, train_nlinear
from .forecasters.forecaster import HORIZON_STEPS
from .stated import Stated

_FILE = "forecaster.state"


@dataclass(frozen=True, slots=True)
class Kind:
    """`save(forecaster, folder)` into a folder that is there, OSError as the system gives it; `load(folder)`
    raises BadInput where something else is there."""

    train: Trainer
    save: Callable[[FittedForecaster, Path], None]
    load: Callable[[Path], FittedForecaster]


def _save_nlinear(forecaster: FittedForecaster, folder: Path) -> None:
    assert isinstance(forecaster, FittedNLinear)
    outputs = forecaster.outputs
    state = {"first": outputs.start, "end": outputs.stop, "weights": forecaster.weights}
    write_state(folder / _FILE, state)


def _load_nlinear(folder: Path) -> FittedForecaster:
    kept = Stated(f"nlinear {folder}", read_state(folder / _FILE))
    weights = kept.array("weights", np.float64, (None, HORIZON_STEPS))
    return FittedNLinear(slice(kept.integer("first", 0), kept.integer("end", 0)), weights)


KINDS: dict[str, Kind] = {"nlinear": Kind(train_nlinear, _save_nlinear, _load_nlinear)}
"""By the forecaster's name."""

REFITTED = "nlinear"
"""The kind that an agent fits."""


def kind_of(name: str) -> Kind:
    """BadInput for a name that no kind has."""
    if name not in KINDS:
        raise BadInput(f"a forecaster of kind {name!r:.40}; limit: {', '.join(KINDS)}")
    return KINDS[name]
