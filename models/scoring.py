"""What a step proves of the forecasts that waited for it: of the one given out, and of every candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32, Forecast, Step
from .error_record import Proof
from .waiting import WaitingForecast


@dataclass(frozen=True, slots=True)
class Score:
    """What one step proved of the forecast that was given out for it, over all frequencies of the band.

    `end_ns` is the end of the step that was forecast, `horizon` its number (1..12) in the forecast made at
    `made_ns`; errors are in dB. `coverage_ratio` is the share of frequencies inside [low, high], NaN
    while there were no intervals. Frequencies whose truth is not finite count nowhere.
    """

    node: str
    band: str
    made_ns: int
    end_ns: int
    horizon: int
    model: str
    mae_db: float
    rmse_db: float
    repeat_last_rmse_db: float
    coverage_ratio: float


def scored(
    step: Step,
    due: Sequence[tuple[int, WaitingForecast]],
    baseline: str,
    counts: Callable[[str, int], bool],
) -> tuple[list[Score], dict[str, Proof]]:
    """Of the forecasts that speak of a step, at their horizons: a score each, and a proof a candidate.

    `counts(name, made_ns)` says whether what goes by a name and was made then is that candidate's.
    """
    scores: list[Score] = []
    squares: dict[str, list[tuple[float, float]]] = {}  # own and repeat-last's, on the same forecasts
    for horizon, waiting in due:
        repeated = waiting.means[baseline][horizon - 1]
        known = np.isfinite(step.values) & np.isfinite(repeated)
        if not known.any():
            continue
        repeated_square = _mean_square(repeated, step.values, known)
        for name, mean in waiting.means.items():
            if counts(name, waiting.given.made_ns):
                own = _mean_square(mean[horizon - 1], step.values, known)
                squares.setdefault(name, []).append((own, repeated_square))
        scores.append(_score(waiting.given, horizon, step, known, repeated_square))
    proofs = {
        name: Proof(sum(own for own, _ in each), sum(same for _, same in each), len(each))
        for name, each in squares.items()
    }
    return scores, proofs


def _score(
    given: Forecast, horizon: int, step: Step, known: NDArray[np.bool_], repeated_square: float
) -> Score:
    low, high = given.low[horizon - 1], given.high[horizon - 1]
    bounded = known & np.isfinite(low) & np.isfinite(high)
    inside = (low[bounded] <= step.values[bounded]) & (step.values[bounded] <= high[bounded])
    error = (given.mean[horizon - 1][known] - step.values[known]).astype(np.float64)
    return Score(
        node=given.node,
        band=given.band,
        made_ns=given.made_ns,
        end_ns=step.end_ns,
        horizon=horizon,
        model=given.model,
        mae_db=float(np.abs(error).mean()),
        rmse_db=float(np.sqrt(np.square(error).mean())),
        repeat_last_rmse_db=repeated_square**0.5,
        coverage_ratio=float(inside.mean()) if bounded.any() else float("nan"),
    )


def _mean_square(mean: Float32, truth: Float32, known: NDArray[np.bool_]) -> float:
    """Over the frequencies whose truth is known; infinite where the forecast is not finite."""
    said = mean[known].astype(np.float64)
    if not np.isfinite(said).all():
        return math.inf
    return float(np.square(said - truth[known]).mean())
