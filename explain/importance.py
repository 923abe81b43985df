"""Importance without gradients, of any forecaster: what is lost when a frequency or a step is taken from it.

Permutation importance after Breiman (2001) and Fisher, Rudin and Dominici (2019); occlusion after Zeiler and
Fergus (2014). Both are the check on the maps that gradients make, and all there is for a forecaster that has
none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..models.forecast_problem import FittedForecaster
from ..models.forecasters.forecaster import HORIZON_STEPS
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS

if TYPE_CHECKING:
    from torch import nn

MOST_VALUES = 2**24  # of the windows cut at a time: 64 MiB

Forecasts = Callable[[Float32, Int64], Float32]
"""`FittedForecaster.forecasts`: values [n, F], origins [m] -> [m, 12, outputs]."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A forecaster and where it is asked: `values` [n, F], a regular grid, and the rows of first targets [m].

    `outputs` are the columns that it forecasts, `needs_rows` how many rows before an origin it reads.
    """

    forecasts: Forecasts
    needs_rows: int
    values: Float32
    origins: Int64
    outputs: slice

    @classmethod
    def of(cls, forecaster: FittedForecaster, values: Float32, origins: Int64, outputs: slice) -> Asked:
        return cls(forecaster.forecasts, forecaster.needs_rows, values, origins, outputs)

    @classmethod
    def of_network(cls, network: nn.Module, values: Float32, origins: Int64, outputs: slice) -> Asked:
        """Of a network in evaluation mode, from scaled histories [n, 24, F]; values are scaled, too."""
        import torch  # the other forecasters need none

        def forecasts(rows: Float32, places: Int64) -> Float32:
            windows = rows[places[:, np.newaxis] + np.arange(-HISTORY_STEPS, 0)]
            with torch.inference_mode():
                return network(torch.from_numpy(windows)).numpy()

        return cls(forecasts, HISTORY_STEPS, values, origins, outputs)


def permutation_importance(asked: Asked, *, repeats: int = 3, seed: int = 0) -> Float32:
    """By how much the RMSE rises when a frequency's past is that of another window, mean of `repeats`.

    The truth stays, and so do all other frequencies. Frequencies that say the same stand in for each other:
    each of them alone is then of little importance.

    Shape: -> float32 [F], units of `values`; below 0 where chance had it so. Raises BadInput where a target
    is not finite or beyond the rows, or there are fewer than two windows.
    """
    windows = _Windows(asked)
    truth = windows.truth()
    drawn = np.random.default_rng(seed)
    others = [_another(drawn, len(asked.origins)) for _ in range(repeats)]
    as_it_is = _rmse(windows.forecasts(), truth)
    rise = np.empty(asked.values.shape[1], dtype=np.float32)
    for column in range(len(rise)):
        worse = [_rmse(windows.forecasts(column=column, taken_from=other), truth) for other in others]
        rise[column] = np.mean(np.array(worse) - as_it_is)
    return rise


def occlusion_importance(asked: Asked, fill: Float32) -> Float32:
    """By how much forecasts change when a frequency is always at its `fill`: its mean in training, say.

    Shape: fill [F] -> float32 [F], mean absolute change, units of `values`. Needs no truth.
    """
    windows = _Windows(asked)
    as_it_is = windows.forecasts()
    found = [
        np.abs(windows.forecasts(column=column, fill=fill) - as_it_is).mean() for column in range(len(fill))
    ]
    return np.array(found, dtype=np.float32)


def step_occlusion(asked: Asked, fill: Float32) -> Float32:
    """By how much forecasts change when one of the last 24 steps is at its `fill`, oldest first: [24].

    As `occlusion_importance`, of all frequencies of one step.
    """
    windows = _Windows(asked)
    as_it_is = windows.forecasts()
    found = [
        np.abs(windows.forecasts(step=step, fill=fill) - as_it_is).mean() for step in range(-HISTORY_STEPS, 0)
    ]
    return np.array(found, dtype=np.float32)


def most_important(importance: Float32, most: int = 30) -> Int64:
    """The columns of the greatest importance, greatest first, at most `most`: the paper's figure 7 has 30.

    Equal ones come in the order of their columns; what is not finite is not among them.
    """
    order = np.argsort(-importance, kind="stable")
    return order[np.isfinite(importance[order])][:most].astype(np.int64)


class _Windows:
    """Each window's rows cut out on their own: a forecaster reads nothing else, so all may be changed."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        rows, origins = len(asked.values), asked.origins
        if len(origins) < 2 or origins.min() < HISTORY_STEPS or origins.max() > rows - HORIZON_STEPS:
            raise BadInput(
                f"importance of {len(origins)} windows in {rows} rows, needs at least 2, of {HISTORY_STEPS} "
                f"rows before and {HORIZON_STEPS} from their origins on"
            )
        # What lies before the first row is unknown to a forecaster, as rows of NaN are.
        unknown = np.full((asked.needs_rows, asked.values.shape[1]), np.nan, dtype=np.float32)
        self._rows = np.concatenate([unknown, asked.values])

    def truth(self) -> Float32:
        """Targets [m, 12, outputs]."""
        rows = self.asked.origins[:, np.newaxis] + np.arange(HORIZON_STEPS)
        truth = self.asked.values[rows][:, :, self.asked.outputs]
        if not np.isfinite(truth).all():
            raise BadInput("importance: the truth of a window is not finite, needs whole windows")
        return truth

    def forecasts(
        self,
        *,
        column: int | None = None,
        taken_from: Int64 | None = None,
        step: int | None = None,
        fill: Float32 | None = None,
    ) -> Float32:
        """Of all windows, with a column from other windows or at its fill, or a step at its fill."""
        asked, needs = self.asked, self.asked.needs_rows
        parts: list[Float32] = []
        for part in self._parts():
            windows = self._rows[_before(asked.origins[part], needs)]  # [b, needs, F], a copy
            if column is not None and taken_from is not None:
                windows[:, :, column] = self._rows[_before(asked.origins[taken_from[part]], needs), column]
            elif column is not None and fill is not None:
                windows[:, :, column] = fill[column]
            elif step is not None and fill is not None:
                windows[:, step] = fill
            origins = needs * np.arange(1, len(windows) + 1)
            parts.append(asked.forecasts(windows.reshape(-1, windows.shape[2]), origins))
        return np.concatenate(parts)

    def _parts(self) -> Iterator[slice]:
        at_once = max(1, MOST_VALUES // (self.asked.needs_rows * self.asked.values.shape[1]))
        for first in range(0, len(self.asked.origins), at_once):
            yield slice(first, first + at_once)


def _before(origins: Int64, needs: int) -> Int64:
    """The places, in rows with `needs` unknown ones put in front, of the rows before origins: [b, needs]."""
    return origins[:, np.newaxis] + np.arange(needs)


def _another(draw: np.random.Generator, windows: int) -> Int64:
    """For each window another one, each taken once: a random cycle, so that none keeps its own."""
    cycle = draw.permutation(windows)
    other = np.empty(windows, dtype=np.int64)
    other[cycle] = np.roll(cycle, 1)
    return other


def _rmse(forecasts: Float32, truth: Float32) -> float:
    error: NDArray[np.float64] = forecasts.astype(np.float64) - truth
    return float(np.sqrt(np.square(error).mean()))
