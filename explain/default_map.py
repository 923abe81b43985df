"""What the default forecaster looks at: the same maps as a network's, of (row, frequency), by its own slopes.

SHAP as expected gradients (`shap` says whence), through `default_twin`: most of the default is linear, its
curves are smooth, its medians and quantiles have slopes nearly everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..models.forecast_past import past_rows
from ..models.forecasters.default_steady import SteadyDefault
from ..models.forecasters.level_shifts import level_past
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .default_twin import DefaultTwin
from .frozen_network import differentiating, mean_of_outputs

SAMPLES = 32
MOST_BASELINES = 1024
AT_ONCE = 64
MOST_VALUES = 2**21  # differentiated at a time: 16 MiB of float64, and some times that on the way


@dataclass(frozen=True, slots=True, eq=False)
class DefaultAttributions:
    """What each value adds to or takes from the mean of all outputs, signed, in dB.

    `maps` float32 [m, 24, F] of the last 24 rows, oldest first; `older` float32 [m, F] of all rows before
    them together, which the default reads, too. Both together are `away` float32 [m], how far the
    forecast's mean is from those of the baselines, but for the sampling.
    """

    maps: Float32
    older: Float32
    away: Float32


def default_map(
    forecaster: SteadyDefault,
    values: Float32,
    origins: Int64,
    *,
    background: Int64 | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Float32:
    """`maps` of `default_attributions`: float32 [m, 24, F], signed. Their sizes make a global map."""
    return default_attributions(
        forecaster, values, origins, background=background, samples=samples, seed=seed
    ).maps


def default_attributions(
    forecaster: SteadyDefault,
    values: Float32,
    origins: Int64,
    *,
    background: Int64 | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> DefaultAttributions:
    """Expected gradients of the forecasts from `origins` [m], against those from `background` [b].

    `values` [n, F] in dB are a regular grid as `FittedForecaster.forecasts` takes it; a row that is not
    known is of NaN. Baselines are the pasts before `background` (the origins themselves unless it is given;
    training rows are best). Slopes are taken on the way from `samples` of them, drawn evenly, so that an
    origin's map depends on no other's; where a value stands beside the baselines is told by all of them
    (1,024, drawn evenly). A row that is unknown has no share. The forecaster is as it was.

    Raises BadInput where an origin's last 24 rows are not finite or not there, or there is none.
    """
    if not len(origins):
        raise BadInput("map of the default forecaster: no origin, needs at least one")
    with differentiating():  # so that its tensors can be, whatever the caller forbade
        twin = DefaultTwin(forecaster)
    compared = _Baselines.of(twin, values, origins if background is None else background, samples, seed)
    at_once = max(1, MOST_VALUES // compared.drawn.size)
    found: list[DefaultAttributions] = []
    for start in range(0, len(origins), at_once):
        pasts, known = _pasts(twin, values, origins[start : start + at_once])
        each = compared.values_of(twin, pasts, known)  # [w, R, F]
        found.append(
            DefaultAttributions(
                each[:, -HISTORY_STEPS:].astype(np.float32),
                each[:, :-HISTORY_STEPS].sum(axis=1).astype(np.float32),
                (_said(twin, pasts, known) - compared.expected).astype(np.float32),
            )
        )
    return DefaultAttributions(
        *(np.concatenate([getattr(part, name) for part in found]) for name in ("maps", "older", "away"))
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Baselines:
    """`drawn` [b, R, F], which rows are `known` [b, R], how far along the way each is asked, `places` [b].

    `off` [R, F] is how far the mean of the drawn is from that of all; `expected` the mean forecast of all.
    """

    drawn: NDArray[np.float64]
    known: NDArray[np.bool_]
    places: NDArray[np.float64]
    off: NDArray[np.float64]
    expected: float

    @classmethod
    def of(
        cls,
        twin: DefaultTwin,
        values: Float32,
        background: Int64,
        samples: int,
        seed: int,
    ) -> _Baselines:
        drawn, known = _pasts(twin, values, _evenly(background, samples))
        draw = np.random.default_rng(seed)
        places = (draw.permutation(len(drawn)) + draw.random(len(drawn))) / len(drawn)
        every = _evenly(background, MOST_BASELINES)
        total, count, said = np.zeros(drawn.shape[1:]), np.zeros(drawn.shape[1]), 0.0
        for start in range(0, len(every), AT_ONCE):
            pasts, sure = _pasts(twin, values, every[start : start + AT_ONCE])
            total += pasts.sum(axis=0)
            count += sure.sum(axis=0)
            said += float(_said(twin, pasts, sure).sum())
        mean = total / np.maximum(count, 1)[:, np.newaxis]
        off = drawn.mean(axis=0) - mean
        off[~np.asarray(known.all(axis=0))] = 0
        return cls(drawn, known, places, off, said / len(every))

    def values_of(
        self, twin: DefaultTwin, pasts: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Of some pasts. Shape: [w, R, F], [w, R] -> [w, R, F]."""
        both = known[:, np.newaxis] & self.known  # [w, b, R]
        away = np.where(both[:, :, :, np.newaxis], pasts[:, np.newaxis] - self.drawn, 0)
        points = (self.drawn + self.places[:, np.newaxis, np.newaxis] * away).reshape(-1, *pasts.shape[1:])
        slopes = _slopes(twin, points, both.reshape(len(points), -1)).reshape(away.shape)
        # Few baselines have another mean than all; most of the default is linear, so that this sets it right.
        return (away * slopes).mean(axis=1) + slopes.mean(axis=1) * self.off


def _evenly(background: Int64, most: int) -> Int64:
    if not len(background) or most < 1:
        raise BadInput(f"{len(background)} baselines and {most} samples, needs 1 of each")
    return background[np.unique(np.linspace(0, len(background) - 1, most).round().astype(np.int64))]


def _pasts(
    twin: DefaultTwin, values: Float32, origins: Int64
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Before each origin, put level where the forecaster does so, 0 in rows that are not known; which are.

    Shape: [m, R, F], [m, R].
    """
    if values.ndim != 2 or values.shape[1] != twin.frequencies:
        raise BadInput(f"values of shape {list(values.shape)}, needs [n, {twin.frequencies}]")
    if origins.min() < HISTORY_STEPS or origins.max() > len(values):
        raise BadInput(
            f"origins {origins.min()} to {origins.max()} of {len(values)} rows, "
            f"needs {HISTORY_STEPS} to {len(values)}"
        )
    read = level_past if twin.puts_level else past_rows
    past = read(values, origins, twin.rows).astype(np.float64)
    known = np.asarray(np.isfinite(past).all(axis=2))
    whole = known[:, -HISTORY_STEPS:].all(axis=1)
    if not whole.all():
        raise BadInput(
            f"origin {origins[int(np.argmin(whole))]}: its last {HISTORY_STEPS} rows are not finite, "
            "needs numbers only"
        )
    past[~known] = 0
    return past, known


def _slopes(twin: DefaultTwin, pasts: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each mean forecast by its own past; no window knows of the others. Shape: [n, R, F]."""
    with differentiating():
        asked = torch.from_numpy(pasts).requires_grad_()
        (found,) = torch.autograd.grad(mean_of_outputs(twin(asked, torch.from_numpy(known))).sum(), asked)
    return found.numpy()


def _said(twin: DefaultTwin, pasts: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean of all outputs. Shape: [n]."""
    with differentiating(), torch.no_grad():
        return mean_of_outputs(twin(torch.from_numpy(pasts), torch.from_numpy(known))).numpy()
