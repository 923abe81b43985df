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
from ..models.forecasters.default import Default
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .default_twin import DefaultTwin
from .frozen_network import differentiating, mean_of_outputs

SAMPLES = 32
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
    forecaster: Default,
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
    forecaster: Default,
    values: Float32,
    origins: Int64,
    *,
    background: Int64 | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> DefaultAttributions:
    """Expected gradients of the forecasts from `origins` [m], against those from `background` [b].

    `values` [n, F] in dB are a regular grid as `FittedForecaster.forecasts` takes it; a row that is not
    known is of NaN. Baselines are the pasts before `background` (the origins themselves unless it is given,
    training rows best), at most `samples` of them, drawn evenly and each taken once, so that an origin's
    map depends on no other's. A row that is unknown in the past or in the baseline has no share in
    that sample. The forecaster is as it was.

    Raises BadInput where an origin's last 24 rows are not finite or not there, or there is none.
    """
    background = origins if background is None else background
    baselines, baselines_known = _pasts(forecaster, values, _drawn(background, samples))
    count = len(baselines)
    draw = np.random.default_rng(seed)
    places = ((draw.permutation(count) + draw.random(count)) / count)[:, np.newaxis, np.newaxis]
    with differentiating():  # so that its tensors can be, whatever the caller forbade
        twin = DefaultTwin(forecaster)
    at_once = max(1, MOST_VALUES // baselines.size)
    found: list[DefaultAttributions] = []
    for start in range(0, len(origins), at_once):
        pasts, known = _pasts(forecaster, values, origins[start : start + at_once])
        both = known[:, np.newaxis] & baselines_known  # [w, b, R]
        away = np.where(both[:, :, :, np.newaxis], pasts[:, np.newaxis] - baselines, 0)
        points = (baselines + places * away).reshape(-1, *pasts.shape[1:])
        slopes = _slopes(twin, points, both.reshape(len(points), -1))
        values_of = (away * slopes.reshape(away.shape)).mean(axis=1)  # [w, R, F]
        gap = _said(twin, pasts, known) - _said(twin, baselines, baselines_known).mean()
        found.append(
            DefaultAttributions(
                values_of[:, -HISTORY_STEPS:].astype(np.float32),
                values_of[:, :-HISTORY_STEPS].sum(axis=1).astype(np.float32),
                gap.astype(np.float32),
            )
        )
    if not found:
        raise BadInput("map of the default forecaster: no origin, needs at least one")
    return DefaultAttributions(
        *(np.concatenate([getattr(part, name) for part in found]) for name in ("maps", "older", "away"))
    )


def _drawn(background: Int64, samples: int) -> Int64:
    if not len(background) or samples < 1:
        raise BadInput(f"{len(background)} baselines and {samples} samples, needs 1 of each")
    return background[np.unique(np.linspace(0, len(background) - 1, samples).round().astype(np.int64))]


def _pasts(
    forecaster: Default, values: Float32, origins: Int64
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Before each origin, 0 in rows that are not known; which are. Shape: [m, R, F], [m, R]."""
    if values.ndim != 2 or values.shape[1] != forecaster.frequencies_hz.size:
        raise BadInput(f"values of shape {list(values.shape)}, needs [n, {forecaster.frequencies_hz.size}]")
    if origins.min() < HISTORY_STEPS or origins.max() > len(values):
        raise BadInput(
            f"origins {origins.min()} to {origins.max()} of {len(values)} rows, "
            f"needs {HISTORY_STEPS} to {len(values)}"
        )
    past = past_rows(values, origins, forecaster.needs_rows).astype(np.float64)
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
