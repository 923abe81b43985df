"""What the agent knows of itself at one moment, ready to be shown or sent as JSON.

Levels are in the band's unit; what is not known is None, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SegmentStatus:
    """One segment: its range, its newest window, what people call its cluster, and what is thought of it;
    `windows` counts them all."""

    segment: int
    low_hz: float
    high_hz: float
    cluster: int | None
    name: str | None
    novelty: float | None
    state: str
    score: float | None
    reasons: tuple[str, ...]
    since_ns: int | None
    windows: int


@dataclass(frozen=True, slots=True)
class ForecastStatus:
    """The newest forecast, 12 steps: means over frequencies of the forecast and of its interval's ends.

    `idle_ratio`: the share of channels to expect below `idle_below_db`, the noise floor of then and a margin.
    """

    made_ns: int
    step_s: float
    model: str
    mean_db: tuple[float | None, ...]
    low_db: tuple[float | None, ...]
    high_db: tuple[float | None, ...]
    idle_ratio: tuple[float | None, ...]
    idle_below_db: float | None
    recent_rmse_db: float | None
    skill_ratio: float | None
    coverage_ratio: float | None


@dataclass(frozen=True, slots=True)
class LossStatus:
    """What one reason cost: gaps, rows and samples where their number is known, windows never cut."""

    reason: str
    gaps: int
    rows: int
    samples: int
    windows: int


@dataclass(frozen=True, slots=True)
class WarmingStatus:
    """How far the band's own model is from its first fit."""

    windows: int
    needed: int


@dataclass(frozen=True, slots=True)
class SpectrumStatus:
    """The newest row, each point the highest of its bins, at most 256 points from `low_hz` to `high_hz`."""

    low_hz: float
    high_hz: float
    power_db: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class BandStatus:
    """One band.

    `flowing`: the last row came within max(10 s, 5 row durations). `ready`: its windows are given
    clusters, or it is too narrow for windows. `rows_per_second` is over the last ten seconds, or the last
    two rows where they are rarer. `drift_ratio`: at least this share of the last hours' windows is strange to
    the model.
    """

    node: str
    band: str
    unit: str | None
    bins: int | None
    row_seconds: float | None
    rows: int
    rows_per_second: float
    last_frame_ns: int | None
    silent_seconds: float
    silence_allowed_seconds: float
    flowing: bool
    ready: bool
    warming: WarmingStatus | None
    model: str | None
    clusters: int | None
    drift_ratio: float | None
    drifting: bool
    noise_floor_db: float | None
    level_db: float | None
    occupancy_ratio: float | None
    segments: tuple[SegmentStatus, ...]
    forecast: ForecastStatus | None
    losses: tuple[LossStatus, ...]
    windows: int
    forecasts: int
    spectrum: SpectrumStatus | None

    @property
    def name(self) -> str:
        """`node/band`."""
        return f"{self.node}/{self.band}"


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The whole agent.

    `healthy`: there are bands, and rows of each flow. `ready`: there are bands, and the models of each are
    warm. `queue_depth` is by stage.
    """

    version: str
    uptime_seconds: float
    healthy: bool
    ready: bool
    bands: tuple[BandStatus, ...]
    queue_depth: dict[str, int]
