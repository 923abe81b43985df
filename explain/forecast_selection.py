"""What a forecaster's global map says should be learned from: which frequencies, and which parts of the rows.

Xu et al., "Explainable Multi-Frequency Long-Term Spectrum Prediction Based on GC-CNN-LSTM" (2025), section
4.2: frequencies of high importance are retained as inputs, and of 48 parts of the recording those of the
lowest are left out.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..models.forecast_split import LEAST_TRAINING_WINDOWS, WINDOW_STEPS, ForecastSplit
from ..models.step_table import StepTable
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.histories import HISTORY_STEPS
from .global_map import StreamingMap
from .grad_cam import GradCam
from .shap import SAMPLES, ExpectedGradients

MOST_SHAP_WINDOWS = 128
LEAST_KEPT_SHARE = 0.5
_AT_ONCE = 256  # windows: of 256 frequencies their maps are 6 MiB

Attribute = Callable[[Float32], Float32]
"""Scaled histories [n, 24, F] -> how much each value matters, [n, 24, F]; signed or not."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The columns that are read, ascending int64 [k], and rows that are not learned from: [start, stop)."""

    columns: Int64
    dropped: tuple[tuple[int, int], ...] = ()

    def kept(self, table: StepTable) -> StepTable:
        """The table with the dropped rows gone (NaN), so that no window holds or spans one of them."""
        values = table.values.copy()
        for start, stop in self.dropped:
            values[start:stop] = np.nan
        return dataclasses.replace(table, values=read_only(values))


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """Means of a global map: of each frequency over all rows, float32 [F], and of each of so many equal parts
    of the rows over all frequencies, float32 [segments]; NaN for a part that no window covers.
    """

    frequencies: Float32
    segments: Float32

    @classmethod
    def of(cls, whole: Float32, segments: int) -> Importance:
        """Of a global map [rows, F]; rows of NaN count nowhere."""
        covered = np.asarray(np.isfinite(whole).all(axis=1))
        bounds = _bounds(len(whole), segments)
        parts = [whole[start:stop][covered[start:stop]] for start, stop in bounds]
        means = [part.mean(dtype=np.float64) if part.size else np.nan for part in parts]
        by_frequency = whole[covered].mean(axis=0, dtype=np.float64)
        return cls(by_frequency.astype(np.float32), np.array(means, dtype=np.float32))

    def select(self, split: ForecastSplit, retained: int, dropped: int) -> Selection:
        """The `retained` most important frequencies, and all rows but the `dropped` least important parts.

        Equal ones go by their place. Parts that no window covers are left where they are; and no part is
        dropped that would leave fewer than half of the windows, or than a training needs.
        """
        columns = np.sort(np.argsort(-self.frequencies, kind="stable")[:retained]).astype(np.int64)
        bounds = _bounds(len(split.scaled), len(self.segments))
        order = np.argsort(self.segments, kind="stable")  # NaN last
        gone: NDArray[np.bool_] = np.zeros(len(split.training), dtype=bool)
        most = len(gone) - max(LEAST_TRAINING_WINDOWS, LEAST_KEPT_SHARE * len(gone))
        parts: list[tuple[int, int]] = []
        for segment in order[np.isfinite(self.segments[order])][:dropped].tolist():
            start, stop = bounds[segment]
            without = gone | ((split.training < stop) & (split.training + WINDOW_STEPS > start))
            if without.sum() > most:
                break
            gone = without
            parts.append((start, stop))
        return Selection(read_only(columns), tuple(sorted(parts)))


def grad_cam_of(network: nn.Module, _split: ForecastSplit, _seed: int) -> Attribute:
    """The improved Grad-CAM."""
    return GradCam(network).attribute


def shap_of(network: nn.Module, split: ForecastSplit, seed: int) -> Attribute:
    """Expected gradients against histories drawn from all that train."""
    drawn = np.random.default_rng(seed).permutation(split.training)[:SAMPLES]
    return ExpectedGradients(network, _histories(split, drawn), seed=seed).attribute


ATTRIBUTIONS: dict[str, Callable[[nn.Module, ForecastSplit, int], Attribute]] = {
    "grad-cam": grad_cam_of,
    "shap": shap_of,
}


def training_map(network: nn.Module, split: ForecastSplit, attribution: str, seed: int) -> Float32:
    """The global map of the rows that a network was trained on: of `ATTRIBUTIONS`, sizes without signs.

    Of every training window; of SHAP, which costs more, of at most 128 spread evenly, or as many
    more as it takes to miss no row. Shape: -> float32 [rows, F], NaN where no history lies.
    """
    attribute = ATTRIBUTIONS[attribution](network, split, seed)
    apart = -(-len(split.training) // MOST_SHAP_WINDOWS) if attribution == "shap" else 1
    firsts = split.training[:: min(apart, HISTORY_STEPS)]
    rows, frequencies = split.scaled.shape
    whole = StreamingMap(frequencies, rows)
    for some in np.split(firsts, range(_AT_ONCE, len(firsts), _AT_ONCE)):
        for first, window in zip(some.tolist(), attribute(_histories(split, some)), strict=True):
            whole.add(np.abs(window), first)
    found = np.full((rows, frequencies), np.nan, dtype=np.float32)
    found[: whole.end] = whole.values[rows - whole.end :]
    return found


def _histories(split: ForecastSplit, firsts: Int64) -> Float32:
    return split.scaled[firsts[:, np.newaxis] + np.arange(HISTORY_STEPS)]


def _bounds(rows: int, segments: int) -> list[tuple[int, int]]:
    cuts = np.linspace(0, rows, segments + 1).round().astype(int).tolist()
    return list(itertools.pairwise(cuts))
