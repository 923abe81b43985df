"""The types that travel between stages: frozen, arrays read-only, units in the names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
Float32 = NDArray[np.float32]
Complex64 = NDArray[np.complex64]
Int64 = NDArray[np.int64]

PowerUnit = Literal["dBFS/bin", "dBFS/Hz", "dBm/bin", "dB", "counts"]
POWER_UNITS: tuple[str, ...] = get_args(PowerUnit)

GapReason = Literal["overflow", "lost", "retuned", "gain", "clock", "restart", "source"]
SAME_MEANING: tuple[GapReason, ...] = ("lost", "overflow", "source", "restart")
"""After gaps of these reasons rows mean what they meant before: only time has passed, and their dates say
how much."""

NS_PER_S = 1_000_000_000


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The same array, its write flag off."""
    array.flags.writeable = False
    return array


@dataclass(frozen=True, slots=True, eq=False)
class PsdFrame:
    """One row of a band's power spectrum.

    `time_ns` is UTC at the start of the row, stamped once by the source. `center_hz` is the centre of the
    band: the mean of the first and last bin's centres. `power_db` float32 [bins], in `unit`, lowest
    frequency first. `stream` is random for each start of a publisher; `seq` counts its rows from 0.
    `lost_samples` are those the receiver lost just before or inside this row.
    """

    node: str
    band: str
    stream: int
    seq: int
    time_ns: int
    duration_ns: int
    center_hz: float
    bin_hz: float
    power_db: Float32
    unit: PowerUnit
    gain_db: float | None = None
    lost_samples: int = 0

    @property
    def bins(self) -> int:
        return self.power_db.shape[0]

    @property
    def end_ns(self) -> int:
        return self.time_ns + self.duration_ns

    @property
    def first_hz(self) -> float:
        """Centre of the lowest bin, in Hz."""
        return self.center_hz - (self.bins - 1) / 2 * self.bin_hz


@dataclass(frozen=True, slots=True, eq=False)
class IqBlock:
    """Consecutive complex samples, complex64 [n], full scale 1.0; `time_ns` is UTC of the first."""

    node: str
    band: str
    stream: int
    seq: int
    time_ns: int
    center_hz: float
    sample_rate_hz: float
    samples: Complex64
    gain_db: float | None = None
    lost_samples: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of a band that never came, or after which the rows mean something else.

    `lost_rows` and `lost_samples` are None where the number cannot be known. `time_ns` is the end of the
    last good row, or the start of the first row after the gap where there is none.
    """

    node: str
    band: str
    after_seq: int
    lost_rows: int | None
    lost_samples: int | None
    reason: GapReason
    time_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class LevelledRow:
    """A row and what the tracker knows of its level: all in the frame's unit but `occupancy_ratio`."""

    frame: PsdFrame
    noise_floor_db: float
    level_db: float
    occupancy_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A spectrogram window of one segment of a band: float32 [128 rows, 128 bins] in [0, 1], oldest first."""

    node: str
    band: str
    segment: int
    start_ns: int
    end_ns: int
    center_hz: float
    bin_hz: float
    values: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Rows of a band averaged over one forecast step; `values` float32 [F] in `unit`."""

    node: str
    band: str
    step_s: float
    start_ns: int
    end_ns: int
    frequencies_hz: NDArray[np.float64]
    values: Float32
    rows: int
    unit: PowerUnit
    gain_db: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The last 24 steps of a band, and older ones where there are any.

    `values` float32 [24, F], oldest first. `season` float32 [m, F] are older steps of the same band, at
    most 8 days, whose ends are `season_end_ns` int64 [m]: there may be holes in them.
    """

    node: str
    band: str
    step_s: float
    end_ns: int
    frequencies_hz: NDArray[np.float64]
    values: Float32
    season: Float32
    season_end_ns: Int64


@dataclass(frozen=True, slots=True)
class Assignment:
    """The cluster of one window; None while the band model is warming up.

    `distance` is Euclidean, from the cluster's centre in the band model's PCA space; `novelty` = 1 -
    conformal p of how far the window is from what its cluster usually shows.
    """

    node: str
    band: str
    segment: int
    start_ns: int
    end_ns: int
    cluster: int | None
    distance: float | None
    novelty: float | None
    model: str


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """The next 12 steps: `mean`, `low`, `high` float32 [12, f] in the band's unit.

    `low` and `high` are NaN until enough forecasts have been scored. `idle`, where somebody asked for it, is
    the probability [12, f] that a value lies below the level `idle_below_db`; NaN where `low` is.
    """

    node: str
    band: str
    made_ns: int
    step_s: float
    frequencies_hz: NDArray[np.float64]
    mean: Float32
    low: Float32
    high: Float32
    model: str
    idle: Float32 | None = None
    idle_below_db: float | None = None


VerdictState = Literal["warming_up", "normal", "novel", "deviating"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of one segment of a band, and why, in words."""

    node: str
    band: str
    segment: int
    time_ns: int
    state: VerdictState
    score: float
    reasons: tuple[str, ...] = field(default=())
