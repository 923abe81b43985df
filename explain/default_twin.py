"""The default forecaster's arithmetic once more, in torch and float64, so that it can be differentiated.

`models/forecasters/default_inputs.py` reads numbers with numpy, the experts multiply them; here the same is
written down for autograd. The forecaster itself is not touched: its arrays are copied. Tests hold both
against each other, forecasts and slopes; who changes what the forecaster reads changes it here, too.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor, nn

from ..models.forecasters.default_curves import LEAST_SPREAD, MOST_DEVIATIONS
from ..models.forecasters.default_experts import Mixture
from ..models.forecasters.default_inputs import (
    BAND_MEANS_ROWS,
    MEANS_ROWS,
    MEDIANS_ROWS,
    NEIGHBOURS,
    QUANTILES,
    SEASON_ROWS,
    InputReader,
)
from ..models.forecasters.default_steady import SteadyDefault
from ..models.forecasters.forecaster import HORIZON_STEPS
from ..pipeline.histories import HISTORY_STEPS


class DefaultTwin(nn.Module):
    """What a fitted default forecaster says, of whole pasts.

    Medians and quantiles are one of the values, or a mean of two, so their slopes are 1 or shared out; where
    values are equal one of them has it all. Beyond the curves' limit of 4 deviations the slope is 0. Rows
    before a level shift are the caller's to put level, where `puts_level`.

    Shape: past [n, rows, F] in dB, which rows are known [n, rows] -> [n, 12, outputs] in dB. The
    last 24 rows have to be known; what stands in rows that are not, does not matter and has slope 0.
    """

    def __init__(self, forecaster: SteadyDefault) -> None:
        super().__init__()
        self._reader = reader = forecaster.reader
        self.rows = reader.reads_rows
        self.puts_level = reader.level
        self.frequencies = forecaster.frequencies_hz.size
        mixture = forecaster.mixture
        self._own = _tensor(mixture.own)
        self._band = (
            _tensor(mixture.band.basis / mixture.band.scale[:, np.newaxis]),
            _tensor(mixture.band.weights),
        )
        self._curves = _curves(mixture)

    def forward(self, past: Tensor, known: Tensor) -> Tensor:
        own, band, variance = self._read(past, known)
        change = torch.einsum("ncd,cdh->nhc", own, self._own)
        scores, weights = self._band
        change = change + ((band @ scores) @ weights).unflatten(1, (HORIZON_STEPS, -1))
        change = change + self._curved(own, variance)
        return past[:, -1:, self._reader.outputs] + change

    def _curved(self, own: Tensor, variance: Tensor) -> Tensor:
        """`Curves.change`. Shape: [n, C, d], [n, C] -> [n, 12, C]."""
        step, centre, width, direction, offset, weights = self._curves
        # The smallest constant keeps the root's slope finite in a column that never moved.
        spread = (variance + (LEAST_SPREAD * step) ** 2 + 1e-14).sqrt() + 1e-3
        relative = (spread / (step + 1e-3)).log()
        size = (step + 1e-3).log().expand_as(spread)
        seen = torch.cat([own / spread[:, :, None], relative[:, :, None], size[:, :, None]], dim=2)
        seen = ((seen - centre) / width).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        design = torch.cat([seen, (seen @ direction + offset).tanh()], dim=2)
        return ((design @ weights) * spread[:, :, None]).transpose(1, 2)

    def _read(self, past: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`InputReader.read`. Shape: -> own [n, C, d], band [n, D], variance of the last 24 rows [n, C]."""
        reader, outputs = self._reader, self._reader.outputs
        last = past[:, -1:]
        change = torch.where(known[:, :, None], past - last, 0.0)
        means = {rows: _mean(change, known, -rows, None) for rows in {*MEANS_ROWS, *BAND_MEANS_ROWS}}
        recent = change[:, -HISTORY_STEPS:, outputs]
        parts = [*recent[:, :-1].unbind(1)]
        parts += [means[rows][:, outputs] for rows in MEANS_ROWS]
        parts += [_quantile(recent[:, -rows:], 0.5) for rows in MEDIANS_ROWS]
        parts += [_quantile(recent, share) for share in QUANTILES]
        columns = np.arange(past.shape[2])
        for short in (1, 4):
            away = means[short] - means[HISTORY_STEPS]
            parts += [away[:, np.clip(columns[outputs] + step, 0, columns[-1])] for step in NEIGHBOURS]
        band = [means[short] - means[long] for short, long in itertools.pairwise(BAND_MEANS_ROWS)]
        if reader.period is not None:
            own_then, band_then = self._season(past, known, reader)
            parts += [part[:, outputs] for part in own_then]
            band += band_then
        return torch.stack(parts, dim=2), torch.cat(band, dim=1), recent.var(dim=1, correction=0)

    def _season(self, past: Tensor, known: Tensor, reader: InputReader) -> tuple[list[Tensor], list[Tensor]]:
        """Parts [n, F] of the rows some periods ago."""
        assert reader.period is not None
        now, last = HISTORY_STEPS - 1, past[:, -1:]
        moved, counted, blocks = [], [], []
        for back in range(1, reader.periods + 1):
            start = self.rows - back * reader.period - HISTORY_STEPS
            rows = slice(start, start + SEASON_ROWS)
            sure = known[:, rows]
            change = torch.where(sure[:, :, None], past[:, rows] - last, 0.0)
            both = (sure[:, now + 1 :] & sure[:, now, None])[:, :, None]
            moved.append(torch.where(both, change[:, now + 1 :] - change[:, now, None], 0.0))
            counted.append(both.double())
            blocks.append((change, sure))
        change, sure = blocks[0]
        then = change[:, now]
        day_before = torch.where(sure[:, now, None], _mean(change, sure, 0, HISTORY_STEPS) - then, 0.0)
        levels = {end: _mean(change, sure, end - 4, end) for end in (24, 30, 32, 36)}
        several = torch.stack(moved).sum(0) / torch.stack(counted).sum(0).clamp(min=1)
        own = [*moved[0].unbind(1), then, day_before, levels[24], levels[32], *several.unbind(1)]
        return own, [levels[30] - levels[24], levels[36] - levels[24]]


def _mean(change: Tensor, known: Tensor, start: int, end: int | None) -> Tensor:
    """Over the known of some rows, 0 where there is none. Shape: [n, R, F], [n, R] -> [n, F]."""
    count = known[:, start:end].sum(dim=1, keepdim=True).clamp(min=1)
    return change[:, start:end].sum(dim=1) / count


def _quantile(values: Tensor, share: float) -> Tensor:
    """Over the rows, between the two nearest. Shape: [n, R, C] -> [n, C]."""
    ranked = values.sort(dim=1).values
    place = share * (values.shape[1] - 1)
    below = int(place)
    above = min(below + 1, values.shape[1] - 1)
    return torch.lerp(ranked[:, below], ranked[:, above], place - below)


def _curves(mixture: Mixture) -> tuple[Tensor, ...]:
    curves = mixture.curves
    arrays = (curves.step_db, curves.centre, curves.width, curves.direction, curves.offset, curves.weights)
    return tuple(_tensor(array) for array in arrays)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float64))
