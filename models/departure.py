"""How far a step lies from everything that was forecast for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, Step, read_only
from .waiting import WaitingForecast


@dataclass(frozen=True, slots=True, eq=False)
class Departure:
    """A step beside the (at most twelve) forecasts given out for it, of horizons 1 to 12; [F] each.

    `outside_ratio`: the share of these forecasts whose interval does not hold the truth, NaN where none had
    an interval or the truth is not finite. `excess_db`: truth minus forecast, the median over them. The next
    step's forecast soon follows a band that has changed; those made before the change do not, and so a
    change shows for as long as they wait.
    """

    node: str
    band: str
    start_ns: int
    end_ns: int
    step_s: float
    frequencies_hz: NDArray[np.float64]
    outside_ratio: Float32
    excess_db: Float32


def departure_of(step: Step, due: Sequence[tuple[int, WaitingForecast]]) -> Departure | None:
    """Of the forecasts that speak of this step, by horizon; None where none of them had an interval."""
    rows = [(held.given, horizon - 1) for horizon, held in due]
    if not rows:
        return None
    low = np.stack([given.low[row] for given, row in rows])  # [forecasts, F]
    high = np.stack([given.high[row] for given, row in rows])
    bounded = np.isfinite(low) & np.isfinite(high) & np.isfinite(step.values)
    if not bounded.any():
        return None
    outside = bounded & ((step.values < low) | (step.values > high))
    known = bounded.any(axis=0)
    ratio, excess_db = np.full((2, known.size), np.nan, np.float32)
    ratio[known] = outside.sum(axis=0)[known] / bounded.sum(axis=0)[known]
    off_db = step.values - np.stack([given.mean[row] for given, row in rows])
    excess_db[known] = np.nanmedian(np.where(bounded, off_db, np.nan)[:, known], axis=0)
    return Departure(
        node=step.node,
        band=step.band,
        start_ns=step.start_ns,
        end_ns=step.end_ns,
        step_s=step.step_s,
        frequencies_hz=step.frequencies_hz,
        outside_ratio=read_only(ratio),
        excess_db=read_only(excess_db),
    )
