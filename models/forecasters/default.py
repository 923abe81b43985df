"""The default forecaster: what was fitted, mixed on with plain forecasts by what came of the last ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import past_rows
from ..forecast_problem import FittedForecaster
from ..ridge_solving import Float64
from ..tensor_file import read_arrays, write_tensors
from .default_description import DefaultDescription
from .default_inputs import InputReader
from .default_steady import SteadyDefault, one_blas_thread
from .default_tensors import checked_frequencies, checked_mixture, checked_nlinear, tensors_of
from .fitted_nlinear import FittedNLinear
from .forecaster import HORIZON_STEPS
from .level_shifts import jump_rows
from .made_before import MadeBefore
from .mean_24 import Mean24
from .recent_mix import BACK_ROWS, RECENT_ROWS, recent_mix

WEIGHTS_FILE = "default_forecast.safetensors"
DESCRIPTION_FILE = "default_forecast.yaml"
MOST_AT_ONCE = 512  # forecasts; of origins that lie apart each takes 49
BELIEVED_ROWS = 12
LEAST_LEVEL = 0.25
"""A level shift that is so many rows old is believed, before any error tells; a new one by so much."""


@dataclass(frozen=True, slots=True, eq=False)
class Default:
    """`steady` and `nlinear` were fitted on one band; see docs/decisions/0013-the-default-forecaster.md.

    How much each counts is told by what came of the forecasts that they made, or would have made, over the
    last 96 rows (docs/decisions/0017-mixing-on.md). It depends on the rows before an origin and nothing
    else. Of a single origin those forecasts are remembered by their rows (`MadeBefore`): live, a step makes
    one new. One caller at a time.
    """

    steady: SteadyDefault
    nlinear: FittedNLinear
    _made: MadeBefore = field(default_factory=MadeBefore, init=False, repr=False)

    @property
    def name(self) -> str:
        return "default"

    @property
    def needs_rows(self) -> int:
        return self.steady.needs_rows + RECENT_ROWS

    def forecasts(self, values: Float32, origins: Int64) -> Float32:
        """Shape: see `FittedForecaster`."""
        outputs = self.steady.reader.outputs
        said = np.empty((len(origins), HORIZON_STEPS, outputs.stop - outputs.start), np.float32)
        start = 0
        with one_blas_thread():
            while start < len(origins):
                some = origins[start : start + MOST_AT_ONCE]
                while len(some) > 1 and len(_places(some)) > MOST_AT_ONCE:
                    some = some[: len(some) // 2]
                first, end = max(0, int(some.min()) - self.needs_rows), int(some.max())
                said[start : start + len(some)] = self._mixed(values[first:end], some - first)
                start += len(some)
        return said

    def _mixed(self, values: Float32, origins: Int64) -> Float32:
        """Of values up to the last of the origins."""
        made = _recent(values, origins)
        every = np.union1d(made, origins)
        changes = self._changes(values, every)
        outputs = self.steady.reader.outputs
        past = np.isin(every, made)
        unknown = np.full((HORIZON_STEPS, outputs.stop - outputs.start), np.nan, np.float32)
        behind = np.concatenate([values[:, outputs], unknown])
        came = behind[made[:, np.newaxis] + np.arange(HORIZON_STEPS)] - values[made - 1, np.newaxis, outputs]
        mix = recent_mix(changes[:, past], came, made, origins, self._prior(values, origins))
        own = changes[:, np.searchsorted(every, origins)]
        change = np.einsum("mhk,kmhc->mhc", mix.astype(np.float32), own)
        return np.asarray(values[origins - 1, np.newaxis, outputs] + change, dtype=np.float32)

    def _prior(self, values: Float32, origins: Int64) -> Float64:
        """What the mix is drawn to, in the order of `_changes`: the older a shift, the less it is doubted.

        A jump that is new may be a shift or a drop-out that is over in some rows. Shape: [m, 4].
        """
        jumps = np.concatenate([[-BELIEVED_ROWS], jump_rows(values)])
        age = origins - jumps[np.searchsorted(jumps, origins) - 1]
        level = np.clip(age / BELIEVED_ROWS, LEAST_LEVEL, 1)
        return np.stack([level, 1 - level, np.zeros(len(level)), np.zeros(len(level))], axis=1)

    def _changes(self, values: Float32, origins: Int64) -> Float32:
        """What each says, as changes from the last value: the fitted mix with rows before a level shift put
        level, and with rows as they are; NLinear; the mean of 24. Shape: [4, n, 12, C]."""
        outputs = self.steady.reader.outputs
        said = [
            *self._readings(values, origins),
            self.nlinear.forecasts(values, origins),
            Mean24(outputs).forecasts(values, origins),
        ]
        return np.stack(said) - values[origins - 1, np.newaxis, outputs]

    def _readings(self, values: Float32, origins: Int64) -> tuple[Float32, Float32]:
        """`SteadyDefault.both_readings`, of a single origin and those before it what was made already."""
        if origins[-1] - origins[0] < RECENT_ROWS:
            return self._made.readings(self.steady, values, origins)
        return self.steady.both_readings(values, origins)

    def save(self, folder: str | Path) -> None:
        """Write `default_forecast.safetensors` and `default_forecast.yaml` into a folder, made if absent."""
        folder, steady = Path(folder), self.steady
        folder.mkdir(parents=True, exist_ok=True)
        arrays = tensors_of(steady.mixture, self.nlinear) | {"frequencies_hz": steady.frequencies_hz}
        write_tensors(folder / WEIGHTS_FILE, arrays)
        reader = steady.reader
        DefaultDescription(
            steady.unit, steady.step_s, reader.outputs, reader.period, reader.level, steady.figures
        ).write(folder / DESCRIPTION_FILE)

    @classmethod
    def load(cls, folder: str | Path) -> Default:
        """Read and check a folder that `save` wrote. Raises BadInput on anything else."""
        folder = Path(folder)
        path = folder / WEIGHTS_FILE
        description = DefaultDescription.read(folder / DESCRIPTION_FILE)
        arrays = read_arrays(path)
        frequencies_hz = checked_frequencies(str(path), arrays, description.outputs)
        reader = InputReader(description.outputs, description.period, description.level)
        steady = SteadyDefault(
            frequencies_hz=frequencies_hz,
            unit=description.unit,
            step_s=description.step_s,
            reader=reader,
            mixture=checked_mixture(str(path), arrays, reader, frequencies_hz.size),
            figures=description.figures,
        )
        return cls(steady, checked_nlinear(str(path), arrays, description.outputs))


def steady_of(forecaster: FittedForecaster) -> FittedForecaster:
    """What of a forecaster does not hang on how well it did lately: of the default its fitted mix."""
    return forecaster.steady if isinstance(forecaster, Default) else forecaster


def _recent(values: Float32, origins: Int64) -> Int64:
    """Where forecasts were made before these origins that tell of them, ascending: 24 finite rows before."""
    places = _places(origins)
    places = places[places >= HISTORY_STEPS]
    whole = np.isfinite(past_rows(values, places, HISTORY_STEPS)).all(axis=(1, 2))
    return np.asarray(places[whole], dtype=np.int64)


def _places(origins: Int64) -> Int64:
    return np.unique(origins[:, np.newaxis] - BACK_ROWS)
