"""What the default forecaster looks at: numbers of each column, and of the whole band, before an origin."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...pipeline.frames import Float32, Int64
from ...pipeline.histories import HISTORY_STEPS
from ..forecast_past import past_rows
from .forecaster import HORIZON_STEPS
from .level_shifts import RANGE_ROWS, jump_rows, levelled, spanned

MEANS_ROWS = (3, 6, 16, 24, 48, 96, 192)
MEDIANS_ROWS = (3, 6, 12, 24)
QUANTILES = (0.1, 0.25, 0.75, 0.9)
NEIGHBOURS = (-2, -1, 1, 2)
BAND_MEANS_ROWS = (1, 4, 24, 96)
RECENT_ROWS = max(MEANS_ROWS)
SEASON_ROWS = HISTORY_STEPS + HORIZON_STEPS
MOST_PERIODS_ROWS = 1024
"""The mean of several periods is taken over as many as fit in so many rows, at least one, at most three."""

LAGS = slice(0, HISTORY_STEPS - 1)
MEAN_24 = LAGS.stop + MEANS_ROWS.index(24)
_MEANS = {*MEANS_ROWS, *BAND_MEANS_ROWS}
PLAIN = LAGS.stop + len(MEANS_ROWS) + len(MEDIANS_ROWS) + len(QUANTILES) + 2 * len(NEIGHBOURS)
SEASON_CHANGES = slice(PLAIN, PLAIN + HORIZON_STEPS)
SEASON_LEVEL = SEASON_CHANGES.stop
SEASONAL = HORIZON_STEPS + 4 + HORIZON_STEPS


@dataclass(frozen=True, slots=True)
class Inputs:
    """Of m origins: `own` float32 [m, C, d] relative to the last value, in dB; `band` float32 [m, D].

    `spread_db` float32 [m, C] is the standard deviation of the last 24 values.
    """

    own: Float32
    band: Float32
    spread_db: Float32

    def part(self, some: slice) -> Inputs:
        """Those of some of the origins."""
        return Inputs(self.own[some], self.band[some], self.spread_db[some])

    def put(self, where: NDArray[np.integer] | NDArray[np.bool_], some: Inputs) -> None:
        """Write those of some origins over what is there."""
        self.own[where], self.band[where], self.spread_db[where] = some.own, some.band, some.spread_db


@dataclass(frozen=True, slots=True)
class InputReader:
    """Reads them from past rows, for the columns `outputs` of F, with or without a period in rows.

    `level` is whether rows before a level shift are put level.
    """

    outputs: slice
    period: int | None
    level: bool = True

    @property
    def periods(self) -> int:
        """How many periods back it looks."""
        return 0 if self.period is None else int(np.clip(MOST_PERIODS_ROWS // self.period, 1, 3))

    @property
    def needs_rows(self) -> int:
        return self.reads_rows + RANGE_ROWS

    @property
    def reads_rows(self) -> int:
        """How many it reads when they are level; what a shift left needs some more."""
        return max(RECENT_ROWS, self.periods * (self.period or 0) + HISTORY_STEPS)

    @property
    def own_inputs(self) -> int:
        """d of `Inputs.own`."""
        return PLAIN + (SEASONAL if self.period is not None else 0)

    def band_inputs(self, columns: int) -> int:
        """D of `Inputs.band`, of so many columns F."""
        return columns * (len(BAND_MEANS_ROWS) - 1 + (2 if self.period is not None else 0))

    def read(self, values: Float32, origins: Int64, jumps: Int64 | None = None) -> Inputs:
        """Shape: values [n, F], origins [m]; the last 24 rows before an origin finite.

        Older rows with a NaN are unknown. What is unknown counts as no change from the last value (or, a
        period ago, as no change then). Rows before a level shift are read as if they were at the new level.
        `jumps` are `jump_rows` of these values, for who has them.
        """
        jumps = jump_rows(values) if jumps is None else jumps
        shifted = spanned(jumps, origins, self.reads_rows) & self.level
        if not shifted.any():
            return self._read(values, origins)
        columns = self.outputs.stop - self.outputs.start
        inputs = Inputs(
            np.empty((len(origins), columns, self.own_inputs), np.float32),
            np.empty((len(origins), self.band_inputs(values.shape[1])), np.float32),
            np.empty((len(origins), columns), np.float32),
        )
        if not shifted.all():
            inputs.put(~shifted, self._read(values, origins[~shifted]))
        which = np.flatnonzero(shifted)
        for some, windows in levelled(values, origins[shifted], jumps, self.reads_rows):
            ends = windows.shape[1] * np.arange(1, len(windows) + 1)
            inputs.put(which[some], self._read(windows.reshape(-1, values.shape[1]), ends))
        return inputs

    def _read(self, values: Float32, origins: Int64) -> Inputs:
        past = past_rows(values, origins, RECENT_ROWS)  # [m, 192, F]
        last = past[:, -1:]
        change, known = _change(past, last)
        totals = np.cumsum(change[:, ::-1], axis=1), np.cumsum(known[:, ::-1], axis=1)[:, :, np.newaxis]
        means = {rows: totals[0][:, rows - 1] / totals[1][:, rows - 1] for rows in _MEANS}  # [m, F]
        outputs = self.outputs
        recent = change[:, -HISTORY_STEPS:, outputs]
        parts = [means[rows][:, outputs] for rows in MEANS_ROWS]
        parts += [np.median(recent[:, -rows:], axis=1) for rows in MEDIANS_ROWS]
        parts += list(np.quantile(recent, QUANTILES, axis=1))
        index = np.arange(values.shape[1])[outputs]
        for short in (1, 4):
            away = means[short] - means[24]
            parts += [away[:, np.clip(index + step, 0, values.shape[1] - 1)] for step in NEIGHBOURS]
        band = [means[short] - means[long] for short, long in itertools.pairwise(BAND_MEANS_ROWS)]
        if self.period is not None:
            season_own, season_band = self._season(values, origins, last)
            parts += [part[:, outputs] for part in season_own]
            band += season_band
        own = np.empty((len(origins), len(index), self.own_inputs), np.float32)
        own[:, :, LAGS] = recent[:, :-1].transpose(0, 2, 1)
        for k, part in enumerate(parts):
            own[:, :, LAGS.stop + k] = part
        return Inputs(own, np.concatenate(band, axis=1).astype(np.float32), recent.std(axis=1))

    def _season(self, values: Float32, origins: Int64, last: Float32) -> tuple[list[Float32], list[Float32]]:
        """`SEASONAL` parts [m, F] and two of the band's [m, F], of rows some periods ago."""
        assert self.period is not None
        moved: list[Float32] = []  # [m, 12, F]: from the row before the origin, so many periods ago
        counted: list[NDArray[np.bool_]] = []  # [m, 12, 1]
        blocks: list[tuple[Float32, NDArray[np.bool_]]] = []
        for back in range(1, self.periods + 1):
            block = past_rows(values, origins - back * self.period + HORIZON_STEPS, SEASON_ROWS)
            change, known = _change(block, last)  # [m, 36, F]: 24 rows before the origin then, 12 after
            both = (known[:, HISTORY_STEPS:] & known[:, HISTORY_STEPS - 1, np.newaxis])[:, :, np.newaxis]
            since = change[:, HISTORY_STEPS:] - change[:, HISTORY_STEPS - 1, np.newaxis]
            moved.append(np.where(both, since, np.float32(0)))
            counted.append(both)
            blocks.append((change, known))
        change, known = blocks[0]
        then = change[:, HISTORY_STEPS - 1]  # 0 where unknown
        day_before = np.where(known[:, HISTORY_STEPS - 1, np.newaxis], _mean(change, known, 0, 24) - then, 0)
        levels = {end: _mean(change, known, end - 4, end) for end in (24, 30, 32, 36)}
        several = sum(moved) / np.maximum(sum(part.astype(np.float32) for part in counted), 1)
        own = [*moved[0].swapaxes(0, 1), then, day_before, levels[24], levels[32], *several.swapaxes(0, 1)]
        return [part.astype(np.float32, copy=False) for part in own], [
            levels[30] - levels[24],
            levels[36] - levels[24],
        ]


def _change(past: Float32, last: Float32) -> tuple[Float32, NDArray[np.bool_]]:
    """From `last` [m, 1, F], 0 in rows that hold a NaN; which rows [m, R] hold none."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(past).all(axis=2))
    return np.where(known[:, :, np.newaxis], past - last, np.float32(0)), known


def _mean(change: Float32, known: NDArray[np.bool_], start: int, end: int) -> Float32:
    """Over the known rows, 0 where there is none. Shape: [m, R, F], [m, R] -> [m, F]."""
    count = np.maximum(known[:, start:end].sum(axis=1), 1).astype(np.float32)
    return change[:, start:end].sum(axis=1) / count[:, np.newaxis]
