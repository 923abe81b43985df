"""What the windows of each cluster usually measure, how they vary, and what sets them apart from the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models.geometry import Geometry
from ..models.window_features import FEATURES
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.windows import WINDOW_BINS, WINDOW_ROWS, segment_starts
from .origins import Origins, origins_of
from .plain_names import PixelSize, column_of

Float64 = NDArray[np.float64]

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
_LOWEST, _LOW, _MIDDLE, _HIGH, _HIGHEST = range(len(QUANTILES))
CENTRE_HZ, INTERVAL_SECONDS = "centre_hz", "interval_seconds"
_DERIVED = (CENTRE_HZ, INTERVAL_SECONDS)
_NAMES = tuple(feature.name for feature in FEATURES) + _DERIVED


@dataclass(frozen=True, eq=False)
class MeasuredWindows:
    """Windows of one band and what was measured in them.

    `features` float32 [n, f] as `window_features` gives them; `clusters`, `segments` (from 0), `start_ns`
    int64 [n]; `middles_hz` [segments], the middle of each segment. Raises BadInput where lengths do not fit,
    where there is no window, and where features are not finite.
    """

    features: Float32
    clusters: Int64
    segments: Int64
    start_ns: Int64
    pixel: PixelSize
    middles_hz: Float64

    def __post_init__(self) -> None:
        count = len(self.features)
        if not count:
            raise BadInput("measured windows: there are none, at least 1 is needed")
        if self.features.shape != (count, len(FEATURES)):
            raise BadInput(
                f"measured windows: features of shape {list(self.features.shape)}, needs [n, {len(FEATURES)}]"
            )
        for name in ("clusters", "segments", "start_ns"):
            if len(getattr(self, name)) != count:
                raise BadInput(
                    f"measured windows: {len(getattr(self, name))} {name} for {count} windows, needs as many"
                )
        if not np.isfinite(self.features).all():
            raise BadInput("measured windows: features hold NaN or infinity, they must be finite")
        outside = (self.segments < 0) | (self.segments >= len(self.middles_hz))
        if outside.any():
            raise BadInput(
                f"measured windows: segment {self.segments[outside][0]}, "
                f"the band has 0 to {len(self.middles_hz) - 1}"
            )

    def column(self, name: str) -> Float64:
        """One measure of all windows, [n]; NaN where a window does not have it.

        `centre_hz` is where the energy is centred, of windows that show any; `interval_seconds` the time
        from burst to burst, of windows with two or more.
        """
        if name == CENTRE_HZ:
            places = self.middles_hz[self.segments] + self._feature("centre_bins") * self.pixel.bin_hz
            return np.where(self.shows, places, np.nan)
        if name == INTERVAL_SECONDS:
            rows = self._feature("median_pause_rows") + self._feature("median_burst_rows")
            return np.where(self._feature("burst_count") >= 2, rows * self.pixel.row_seconds, np.nan)
        return self._feature(name)

    @property
    def shows(self) -> NDArray[np.bool_]:
        """Which windows have anything in them that stands out of the noise, [n]."""
        return self._feature("occupied_ratio") > 0

    def _feature(self, name: str) -> Float64:
        return self.features[:, column_of(name)].astype(np.float64)


@dataclass(frozen=True, eq=False)
class Typical:
    """What the windows of one cluster measure.

    `quantiles` [5, m] of all of its windows and `shown` [5, m] of those that show something (NaN where none
    has the measure), at 5, 10, 50, 90 and 95 %; `apart` [m]: how many standard deviations of the band's
    windows its median is above that of the windows of other clusters, 0 where nothing can be said;
    `others` [m], the median of those. `shown_ratio`, `several_ratio`: share of its windows that show
    something, and share of those that have two bursts or more.
    """

    cluster: int
    windows: int
    quantiles: Float64
    shown: Float64
    others: Float64
    apart: Float64
    shown_ratio: float
    several_ratio: float
    origins: Origins
    pixel: PixelSize
    middles_hz: Float64

    def of_shown(self, name: str) -> tuple[float, float, float]:
        """The 10, 50 and 90 % quantiles of a measure among the windows that show something; may be NaN."""
        low, middle, high = self.shown[[_LOW, _MIDDLE, _HIGH], _NAMES.index(name)]
        return float(low), float(middle), float(high)

    def usual(self, name: str) -> tuple[float, float]:
        """What nine in ten of its windows lie within: the 5 and 95 % quantiles of a measure; may be NaN."""
        low, high = self.quantiles[[_LOWEST, _HIGHEST], _NAMES.index(name)]
        return float(low), float(high)

    def median(self, name: str) -> float:
        """The median of all of its windows; may be NaN."""
        return float(self.quantiles[_MIDDLE, _NAMES.index(name)])

    def sets_apart(self, name: str) -> float:
        """How far the cluster's median is above the others', in standard deviations of all windows."""
        return float(self.apart[_NAMES.index(name)])

    def median_of_others(self, name: str) -> float:
        """The median of the windows of the other clusters; may be NaN."""
        return float(self.others[_NAMES.index(name)])


def measured_windows(
    features: Float32,
    clusters: Sequence[int] | Int64,
    segments: Sequence[int] | Int64,
    start_ns: Sequence[int] | Int64,
    geometry: Geometry,
    row_seconds: float,
) -> MeasuredWindows:
    """Windows of a band of that geometry, whose rows last `row_seconds`."""
    starts = segment_starts(geometry.bins)
    # A band of fewer than 128 bins is stretched to 128 columns.
    stretched = (geometry.bins - 1) / (WINDOW_BINS - 1) if geometry.bins < WINDOW_BINS else 1.0
    bin_hz = geometry.bin_hz * stretched
    middles_hz = geometry.first_hz + starts * geometry.bin_hz + (WINDOW_BINS - 1) / 2 * bin_hz
    return MeasuredWindows(
        features=features,
        clusters=np.asarray(clusters, dtype=np.int64),
        segments=np.asarray(segments, dtype=np.int64),
        start_ns=np.asarray(start_ns, dtype=np.int64),
        pixel=PixelSize(bin_hz, row_seconds),
        middles_hz=middles_hz.astype(np.float64),
    )


def typical_windows(windows: MeasuredWindows) -> dict[int, Typical]:
    """What is typical of each cluster that has windows, by number."""
    columns = np.stack([windows.column(name) for name in _NAMES], axis=1)
    spread = _spread(columns)
    shows = windows.shows
    several = windows.column("burst_count") >= 2
    found: dict[int, Typical] = {}
    for cluster in np.unique(windows.clusters).tolist():
        own = windows.clusters == cluster
        quantiles, others = _quantiles(columns[own]), _quantiles(columns[~own])[_MIDDLE]
        apart = np.divide(quantiles[_MIDDLE] - others, spread, out=np.zeros_like(spread), where=spread > 0)
        found[cluster] = Typical(
            cluster=cluster,
            windows=int(own.sum()),
            quantiles=quantiles,
            shown=_quantiles(columns[own & shows]),
            others=others,
            apart=np.nan_to_num(apart, nan=0.0),
            shown_ratio=float(shows[own].mean()),
            several_ratio=float(several[own & shows].mean()) if (own & shows).any() else 0.0,
            origins=origins_of(windows.segments, windows.start_ns, own, len(windows.middles_hz)),
            pixel=windows.pixel,
            middles_hz=windows.middles_hz,
        )
    return found


def window_seconds(pixel: PixelSize) -> float:
    """How long a window is."""
    return WINDOW_ROWS * pixel.row_seconds


def window_hz(pixel: PixelSize) -> float:
    """How wide a window is."""
    return WINDOW_BINS * pixel.bin_hz


def _quantiles(columns: Float64) -> Float64:
    """[5, m]; a column without a number gives NaN."""
    found = np.full((len(QUANTILES), columns.shape[1]), np.nan)
    for column in range(columns.shape[1]):
        there: NDArray[Any] = columns[:, column][~np.isnan(columns[:, column])]
        if there.size:
            found[:, column] = np.quantile(there, QUANTILES)
    return found


def _spread(columns: Float64) -> Float64:
    """Standard deviation of each column's numbers; 0 where there are none."""
    there = ~np.isnan(columns)
    count = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, columns, 0.0)
    away = np.where(there, columns - filled.sum(axis=0) / count, 0.0)
    return np.sqrt((away**2).sum(axis=0) / count)
