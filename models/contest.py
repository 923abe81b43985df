"""The contest of forecasters: the one that did better on recent truth is given out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """What one step proved of the forecast that was given out for it, over all frequencies of the band.

    `end_ns` is the end of the step that was forecast, `horizon` its number (1..12) in the forecast made at
    `made_ns`; errors are in dB. `coverage_ratio` is the share of frequencies inside [low, high], NaN
    while there were no intervals.
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
