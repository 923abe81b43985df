"""How well a band's forecasts did lately: error by horizon, skill and coverage over the last scores."""

from __future__ import annotations

import math
from collections import deque

from ..models.scoring import Score

RECENT_SCORES = 60


class RecentScores:
    """The last 60 scores of each horizon of one band. Figures are NaN while there is nothing to say."""

    def __init__(self) -> None:
        self._by_horizon: dict[int, deque[Score]] = {}

    def add(self, score: Score) -> None:
        """Take a score; one without a finite error says nothing and is passed over."""
        if math.isfinite(score.rmse_db):
            self._by_horizon.setdefault(score.horizon, deque(maxlen=RECENT_SCORES)).append(score)

    def rmse_db(self, horizon: int | None = None) -> float:
        """Pooled root mean square error of one horizon, or of all, dB."""
        scores = self._all() if horizon is None else self._by_horizon.get(horizon, ())
        return _pooled([score.rmse_db for score in scores])

    def skill_ratio(self) -> float:
        """1 - RMSE / RMSE of repeating the last step, over all horizons, where both are known."""
        both = [score for score in self._all() if math.isfinite(score.repeat_last_rmse_db)]
        repeat_last_db = _pooled([score.repeat_last_rmse_db for score in both])
        if not repeat_last_db > 0:
            return math.nan
        return 1 - _pooled([score.rmse_db for score in both]) / repeat_last_db

    def coverage_ratio(self) -> float:
        """Mean share of values inside their interval, over all horizons, where there were intervals."""
        shares = [score.coverage_ratio for score in self._all() if math.isfinite(score.coverage_ratio)]
        return math.fsum(shares) / len(shares) if shares else math.nan

    def _all(self) -> list[Score]:
        return [score for scores in self._by_horizon.values() for score in scores]


def _pooled(rmses_db: list[float]) -> float:
    return math.sqrt(math.fsum(rmse * rmse for rmse in rmses_db) / len(rmses_db)) if rmses_db else math.nan
