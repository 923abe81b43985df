"""The third paper's CNN-LSTM as it runs: without torch, from a folder, for one band."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...pipeline.errors import BadInput
from ...pipeline.frames import Float32, History, Step
from ...pipeline.state import State
from ..stated import Stated
from ..tensor_file import read_tensors, write_tensors
from .cnn_lstm_description import Description
from .cnn_lstm_forward import CnnLstmForward, weight_shapes
from .forecaster import span_mhz

WEIGHTS_FILE = "forecast.safetensors"
DESCRIPTION_FILE = "forecast.yaml"


@dataclass(frozen=True, eq=False)
class CnnLstm:
    """The trained network of one band, and what it was trained for.

    `weights` bear the names of `CnnLstmNetwork` and are float32. Its input is (history - `mean_db`) /
    `scale_db` and its output goes back the same way: `mean_db` and `scale_db`, float32 [F], are each
    frequency's mean and standard deviation over the training steps. `figures` are training's: seed, epochs,
    errors.

    A forecast takes about 0.07 ms at 232 frequencies, on one thread; torch is not needed.
    """

    frequencies_hz: NDArray[np.float64]
    unit: str
    step_s: float
    mean_db: Float32
    scale_db: Float32
    weights: Mapping[str, Float32]
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "cnn-lstm"

    def observe(self, step: Step) -> None:
        """Nothing: it was trained before."""

    def gap(self) -> None:
        """Nothing to restart."""

    def reset(self) -> None:
        """Nothing to forget."""

    def state(self) -> State:
        """Which network this is: what is known of its errors says nothing about another."""
        return {"network": self._digest()}

    def restore(self, state: State) -> None:
        """BadInput where another network gave `state`."""
        Stated(self.name, state).same("network", self._digest())

    def _digest(self) -> str:
        """Of the scaling and the last biases: no two trainings end with the same, and they are small."""
        told_by = (self.mean_db, self.scale_db, self.weights["output.bias"])
        return hashlib.sha256(b"".join(array.tobytes() for array in told_by)).hexdigest()[:16]

    def check(self, frequencies_hz: NDArray[np.float64], step_s: float, unit: str | None = None) -> None:
        """Raise BadInput if a band's steps are not what this was trained for."""
        ours = self.frequencies_hz
        if unit is not None and unit != self.unit:
            raise BadInput(f"forecast model: the band's unit is {unit}, the model was trained on {self.unit}")
        if not math.isclose(step_s, self.step_s, rel_tol=1e-3):
            raise BadInput(
                f"forecast model: the band's step is {step_s:g} s, the model was trained on {self.step_s:g} s"
            )
        if not _same_frequencies(frequencies_hz, ours):
            raise BadInput(
                f"forecast model: the band's frequencies are {span_mhz(frequencies_hz)}, "
                f"the model was trained on {span_mhz(ours)}"
            )

    def forecast(self, history: History) -> Float32 | None:
        """Shape: history [24, F] -> [12, F]. Raises BadInput on other frequencies or another step.

        None where the history holds a value that is not finite: one would spoil every frequency.
        """
        self.check(history.frequencies_hz, history.step_s)
        if not np.isfinite(history.values).all():
            return None
        return self.forecast_many(history.values[np.newaxis])[0]

    def forecast_many(self, histories: Float32) -> Float32:
        """Shape: [n, 24, F] -> [n, 12, F], in the band's unit."""
        return self._forward.run(np.ascontiguousarray(histories, dtype=np.float32))

    @cached_property
    def _forward(self) -> CnnLstmForward:
        """Built at the first forecast: who only trains or copies one does not need it."""
        return CnnLstmForward(self.weights, self.mean_db, self.scale_db)

    def save(self, folder: str | Path) -> None:
        """Write `forecast.safetensors` and `forecast.yaml` into a folder, made if absent."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / WEIGHTS_FILE, self.weights)
        Description(
            frequencies_hz=self.frequencies_hz,
            unit=self.unit,
            step_s=self.step_s,
            mean_db=self.mean_db,
            scale_db=self.scale_db,
            figures=self.figures,
        ).write(folder / DESCRIPTION_FILE)

    @classmethod
    def load(cls, folder: str | Path) -> CnnLstm:
        """Read and check a folder that `save` wrote. Raises BadInput on anything else."""
        folder = Path(folder)
        description = Description.read(folder / DESCRIPTION_FILE)
        return cls(
            frequencies_hz=description.frequencies_hz,
            unit=description.unit,
            step_s=description.step_s,
            mean_db=description.mean_db,
            scale_db=description.scale_db,
            weights=read_tensors(folder / WEIGHTS_FILE, weight_shapes(description.frequencies_hz.size)),
            figures=description.figures,
        )


def _same_frequencies(one_hz: NDArray[np.float64], other_hz: NDArray[np.float64]) -> bool:
    """The same number, each within half the closest spacing: tuning may be off by a little."""
    if one_hz.shape != other_hz.shape:
        return False
    if (one_hz == other_hz).all():  # nearly always, and a fifth of the time of what follows
        return True
    half_spacing_hz = np.abs(np.diff(other_hz)).min(initial=2e6) / 2
    return bool(np.allclose(one_hz, other_hz, rtol=0, atol=half_spacing_hz))
