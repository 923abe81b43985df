"""What a person would measure in a spectrogram window: a few dozen numbers with names and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..pipeline.frames import Float32
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB, WINDOW_BINS, WINDOW_ROWS

Unit = Literal["dB", "bins", "rows", "bins/row", "count", "ratio"]

LEAST_SCATTER_DB = 0.25
SCATTERS_ABOVE = 4.0
LEAST_ABOVE_DB, MOST_ABOVE_DB = 3.0, 12.0
HIGHEST_BASE_DB = 3.0
SMALLEST_PATCH_PIXELS = 4
FULL_SHARE = 0.9
SHORTEST_PERIOD_ROWS, LONGEST_PERIOD_ROWS = 3, WINDOW_ROWS // 2

_EIGHT_NEIGHBOURS = ndimage.generate_binary_structure(2, 2)
# Quantiles of a normal distribution at 0.05 and 0.3 lie this many standard deviations apart.
_LOW, _BASE, _LOW_TO_BASE = 0.05, 0.3, 1.1205


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a window. `unit` is per pixel: bins and rows become Hz and seconds by `physical`."""

    name: str
    unit: Unit
    meaning: str

    def physical(self, value: float, bin_hz: float, row_seconds: float) -> tuple[float, str]:
        """The value in a unit that people use: dB, Hz, s, Hz/s, or none."""
        match self.unit:
            case "bins":
                return value * bin_hz, "Hz"
            case "rows":
                return value * row_seconds, "s"
            case "bins/row":
                return value * bin_hz / row_seconds, "Hz/s"
            case "dB":
                return value, "dB"
            case _:
                return value, ""


FEATURES: tuple[Feature, ...] = (
    Feature("peak_db", "dB", "the strongest pixel, above the floor"),
    Feature("mean_db", "dB", "the mean of all pixels, above the floor"),
    Feature("level_90_db", "dB", "what one pixel in ten exceeds, above the median"),
    Feature("level_99_db", "dB", "what one pixel in a hundred exceeds, above the median"),
    Feature("occupied_db", "dB", "the mean of the occupied pixels, above the floor"),
    Feature("occupied_ratio", "ratio", "share of the pixels that are occupied"),
    Feature("duty_ratio", "ratio", "share of the rows in which anything is occupied"),
    Feature("reach_ratio", "ratio", "share of the bins in which anything is occupied"),
    Feature("bandwidth_bins", "bins", "occupied bins of a row, mean of the rows with any"),
    Feature("widest_bins", "bins", "occupied bins of the fullest row"),
    Feature("full_rows_ratio", "ratio", "share of the rows that are occupied from edge to edge"),
    Feature("full_bins_ratio", "ratio", "share of the bins that are occupied from beginning to end"),
    Feature("burst_count", "count", "runs of rows with anything occupied"),
    Feature("longest_burst_rows", "rows", "the longest of those runs"),
    Feature("median_burst_rows", "rows", "their median length"),
    Feature("median_pause_rows", "rows", "the median pause between two of them; 0 for fewer than two"),
    Feature("period_rows", "rows", "the lag after which the energy of a row best comes again"),
    Feature("periodicity_ratio", "ratio", "how well it does: the autocorrelation there"),
    Feature("patch_count", "count", "connected patches of occupied pixels"),
    Feature("patch_length_rows", "rows", "length of a patch, mean weighted by energy"),
    Feature("patch_width_bins", "bins", "width of a patch, mean weighted by energy"),
    Feature("patch_fill_ratio", "ratio", "share of its box that a patch occupies, mean weighted by energy"),
    Feature("main_patch_ratio", "ratio", "share of the energy that is in the strongest patch"),
    Feature("main_level_db", "dB", "the mean of the strongest patch's pixels, above the floor"),
    Feature("drift_bins_a_row", "bins/row", "how fast the strongest patch moves upwards in frequency"),
    Feature("straightness_ratio", "ratio", "how well a straight line tells where that patch is: R squared"),
    Feature("ridge_step_bins", "bins", "median step of the strongest bin between occupied rows"),
    Feature("centre_bins", "bins", "centre of the energy in frequency, from the middle of the window"),
    Feature("spread_bins", "bins", "standard deviation of the energy in frequency"),
    Feature("spread_rows", "rows", "standard deviation of the energy in time"),
    Feature("spectral_flatness", "ratio", "geometric over arithmetic mean of the bins' mean powers"),
    Feature("temporal_flatness", "ratio", "geometric over arithmetic mean of the rows' mean powers"),
    Feature("side_edge_db", "dB", "mean jump of level where occupied bins end: how steep the sides are"),
    Feature("end_edge_db", "dB", "mean jump of level where occupied rows end: how abrupt bursts are"),
    Feature("direction", "ratio", "-1: varies in time only (stripes), 1: in frequency only (carriers)"),
)


def window_features(windows: NDArray[np.floating[Any]]) -> Float32:
    """The features of windows. Shape: [n, 128, 128] in [0, 1], 5 dB below to 35 dB above the floor ->
    float32 [n, f], in the order of `FEATURES`.

    A pixel is occupied if it stands out of the window's own noise by four standard deviations (at least 3 dB
    and at most 12 dB), as does a neighbour in time or frequency; noise is what the 0.05 and 0.3 quantiles
    say, and its level at most 3 dB above the tracked floor, so that a window filled to the brim is not taken
    for quiet. Patches under 4 pixels are nothing. Energy of a pixel is its level above the noise in dB. What
    asks for occupied pixels is 0 where there are none; nothing is ever NaN. About 1.5 ms a window.
    """
    features = np.empty((len(windows), len(FEATURES)), dtype=np.float32)
    for number, window in enumerate(windows):
        features[number] = _Measured(np.asarray(window, dtype=np.float32)).values()
    return features


class _Measured:
    """One window's levels in dB above the floor, and which of its pixels are occupied."""

    def __init__(self, window: Float32) -> None:
        self.level_db = window * np.float32(BELOW_FLOOR_DB + ABOVE_FLOOR_DB) - np.float32(BELOW_FLOOR_DB)
        low, base, self.median_db, self.high_90_db, self.high_99_db = (
            float(each) for each in np.quantile(self.level_db, (_LOW, _BASE, 0.5, 0.9, 0.99))
        )
        scatter_db = max((base - low) / _LOW_TO_BASE, LEAST_SCATTER_DB)
        self.base_db = min(base, HIGHEST_BASE_DB)
        above_db = min(max(SCATTERS_ABOVE * scatter_db, LEAST_ABOVE_DB), MOST_ABOVE_DB)
        out = self.level_db > self.base_db + above_db
        labelled: Any = ndimage.label(out & _has_neighbour(out), structure=_EIGHT_NEIGHBOURS)
        patches: NDArray[np.int32] = labelled[0]
        count = int(labelled[1])
        sizes = np.bincount(patches.ravel(), minlength=count + 1)
        keeps = sizes >= SMALLEST_PATCH_PIXELS
        keeps[0] = False
        self.occupied = keeps[patches]
        self.patches = np.where(self.occupied, patches, 0)
        self.numbers = np.flatnonzero(keeps)
        self.energy = np.where(self.occupied, self.level_db - self.base_db, 0).astype(np.float64)

    def values(self) -> list[float]:
        return [
            *self._levels(),
            *self._occupancy(),
            *self._bursts(),
            *self._period(),
            *self._patches(),
            *self._places(),
            *self._flatness(),
            *self._edges(),
        ]

    def _rows_used(self) -> NDArray[np.bool_]:
        return np.asarray(self.occupied.any(axis=1))

    def _levels(self) -> list[float]:
        occupied_db = float(self.level_db[self.occupied].mean()) if self.numbers.size else 0.0
        return [
            float(self.level_db.max()),
            float(self.level_db.mean()),
            self.high_90_db - self.median_db,
            self.high_99_db - self.median_db,
            occupied_db,
        ]

    def _occupancy(self) -> list[float]:
        in_row, in_bin = self.occupied.sum(axis=1), self.occupied.sum(axis=0)
        rows_used = in_row > 0
        return [
            float(self.occupied.mean()),
            float(rows_used.mean()),
            float((in_bin > 0).mean()),
            float(in_row[rows_used].mean()) if rows_used.any() else 0.0,
            float(in_row.max()),
            float((in_row >= FULL_SHARE * WINDOW_BINS).mean()),
            float((in_bin >= FULL_SHARE * WINDOW_ROWS).mean()),
        ]

    def _bursts(self) -> list[float]:
        begins, ends = _runs(self._rows_used())
        if not begins.size:
            return [0.0, 0.0, 0.0, 0.0]
        pauses = begins[1:] - ends[:-1]
        lengths = ends - begins
        return [
            float(begins.size),
            float(lengths.max()),
            float(np.median(lengths)),
            float(np.median(pauses)) if pauses.size else 0.0,
        ]

    def _period(self) -> list[float]:
        course = self.energy.sum(axis=1)
        course = course - course.mean()
        power = float(course @ course)
        if power <= 0:
            return [0.0, 0.0]
        lags = np.arange(SHORTEST_PERIOD_ROWS, LONGEST_PERIOD_ROWS + 1)
        # Divided by the rows that overlap, or long lags would always look worse.
        again = np.array([course[lag:] @ course[:-lag] / (len(course) - lag) for lag in lags])
        again *= len(course) / power
        # A slow course is like itself after any short lag: only a peak counts, from which it falls off.
        peaks = np.flatnonzero((again[1:-1] > again[:-2]) & (again[1:-1] >= again[2:])) + 1
        if not peaks.size or again[peaks].max() <= 0:
            return [0.0, 0.0]
        best = peaks[again[peaks].argmax()]
        return [float(lags[best]), min(float(again[best]), 1.0)]

    def _patches(self) -> list[float]:
        if not self.numbers.size:
            return [0.0] * 9
        boxes = ndimage.find_objects(self.patches)
        index = self.patches[self.occupied]
        energy = np.bincount(index, self.energy[self.occupied], minlength=len(boxes) + 1)[self.numbers]
        sizes = np.bincount(index, minlength=len(boxes) + 1)[self.numbers]
        spans = np.array([[side.stop - side.start for side in boxes[number - 1]] for number in self.numbers])
        weights = energy / energy.sum()
        main = int(energy.argmax())
        drift, straightness = self._line(self.numbers[main])
        return [
            float(self.numbers.size),
            float(weights @ spans[:, 0]),
            float(weights @ spans[:, 1]),
            float(weights @ (sizes / spans.prod(axis=1))),
            float(weights[main]),
            float(self.level_db[self.patches == self.numbers[main]].mean()),
            drift,
            straightness,
            self._ridge_step(),
        ]

    def _line(self, number: int) -> tuple[float, float]:
        """Slope in bins a row and R squared of the energy-weighted line through a patch."""
        rows, bins = np.nonzero(self.patches == number)
        weights = self.energy[rows, bins]
        weights = weights / weights.sum()
        row, bin_ = rows - weights @ rows, bins - weights @ bins
        row_square, bin_square, cross = weights @ row**2, weights @ bin_**2, weights @ (row * bin_)
        if row_square <= 0 or bin_square <= 0:
            return 0.0, 0.0
        return float(cross / row_square), float(cross**2 / (row_square * bin_square))

    def _ridge_step(self) -> float:
        rows_used = self._rows_used()
        both = rows_used[1:] & rows_used[:-1]
        if not both.any():
            return 0.0
        return float(np.median(np.abs(np.diff(self.energy.argmax(axis=1)))[both]))

    def _places(self) -> list[float]:
        total = self.energy.sum()
        if total <= 0:
            return [0.0, 0.0, 0.0]
        in_bin, in_row = self.energy.sum(axis=0) / total, self.energy.sum(axis=1) / total
        bins, rows = np.arange(WINDOW_BINS), np.arange(WINDOW_ROWS)
        centre, middle = float(in_bin @ bins), float(in_row @ rows)
        return [
            centre - (WINDOW_BINS - 1) / 2,
            float(np.sqrt(in_bin @ (bins - centre) ** 2)),
            float(np.sqrt(in_row @ (rows - middle) ** 2)),
        ]

    def _flatness(self) -> list[float]:
        power = 10.0 ** (self.level_db / 10.0)
        return [_flatness(power.mean(axis=0)), _flatness(power.mean(axis=1))]

    def _edges(self) -> list[float]:
        edges: list[float] = []
        for axis in (1, 0):
            crossed = np.diff(self.occupied, axis=axis)
            jumps_db = np.abs(np.diff(self.level_db, axis=axis))[crossed]
            edges.append(float(jumps_db.mean()) if jumps_db.size else 0.0)
        in_time = float(np.abs(np.diff(self.energy, axis=0)).sum())
        in_frequency = float(np.abs(np.diff(self.energy, axis=1)).sum())
        both = in_time + in_frequency
        return [*edges, (in_frequency - in_time) / both if both > 0 else 0.0]


def _has_neighbour(out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where one of the four pixels beside is true."""
    found = np.zeros_like(out)
    found[1:] |= out[:-1]
    found[:-1] |= out[1:]
    found[:, 1:] |= out[:, :-1]
    found[:, :-1] |= out[:, 1:]
    return found


def _runs(is_on: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index of each run of true, and the index after its last."""
    steps = np.diff(np.concatenate(([0], is_on.astype(np.int8), [0])))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)


def _flatness(power: NDArray[np.floating[Any]]) -> float:
    return float(np.exp(np.log(power).mean()) / power.mean())
