"""What the route of a band gives to its sinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..models.drift import Drift
from ..models.scoring import Score
from ..models.standings import ForecasterChange
from ..pipeline.frames import Assignment, Forecast, Gap, LevelledRow, Verdict
from .deviation import Deviation


@dataclass(frozen=True, slots=True)
class Discarded:
    """Windows that a gap or a band's geometry kept from being cut; `reason` is a gap's or `too_few_bins`."""

    node: str
    band: str
    reason: str
    windows: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A band model was fitted on `windows` windows of its own band, or loaded (`windows` 0)."""

    node: str
    band: str
    windows: int
    clusters: int
    model: str


@dataclass(frozen=True, slots=True)
class Unfitted:
    """The band's model holds no longer: its rows are of other frequencies, or measured otherwise."""

    node: str
    band: str


@dataclass(frozen=True, slots=True)
class Named:
    """What people call clusters of the band's model: (cluster, name), lowest first; others have none."""

    node: str
    band: str
    names: tuple[tuple[int, str], ...]


Output = (
    LevelledRow
    | Gap
    | Discarded
    | Assignment
    | Drift
    | Forecast
    | ForecasterChange
    | Score
    | Verdict
    | Deviation
    | Fitted
    | Unfitted
    | Named
)


class Sink(Protocol):
    """Where outputs go: metrics and logs, the status board, a file of records."""

    def take(self, item: Output) -> None:
        """Take one output; must not block and must not change it."""
        ...
