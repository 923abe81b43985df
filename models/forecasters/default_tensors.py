"""The default forecaster's arrays by name, as they lie in its file, and back with suspicion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...pipeline.errors import BadInput
from ...pipeline.histories import HISTORY_STEPS
from ...pipeline.steps import MOST_FREQUENCIES
from ..tensor_file import checked_tensors
from .default_curves import CURVES, Curves
from .default_experts import BAND_SCORES, Band, Mixture
from .default_inputs import InputReader
from .fitted_nlinear import FittedNLinear
from .forecaster import HORIZON_STEPS

FREQUENCIES, NLINEAR = "frequencies_hz", "nlinear.weights"


def tensors_of(mixture: Mixture, nlinear: FittedNLinear) -> dict[str, NDArray[np.floating]]:
    """All that `checked_mixture` and `checked_nlinear` need."""
    curves, band = mixture.curves, mixture.band
    return {
        NLINEAR: nlinear.weights,
        "own.weights": mixture.own,
        "band.scale": band.scale,
        "band.basis": band.basis,
        "band.weights": band.weights,
        "curves.step_db": curves.step_db,
        "curves.centre": curves.centre,
        "curves.width": curves.width,
        "curves.direction": curves.direction,
        "curves.offset": curves.offset,
        "curves.weights": curves.weights,
    }


def checked_frequencies(
    where: str, arrays: Mapping[str, NDArray[Any]], outputs: slice
) -> NDArray[np.float64]:
    """Of all inputs. BadInput where they are none, too many, or fewer than the outputs ask for."""
    frequencies_hz = arrays.get(FREQUENCIES)
    if frequencies_hz is None:
        raise BadInput(f"{where}: lacks array {FREQUENCIES!r}")
    if (
        frequencies_hz.ndim != 1
        or frequencies_hz.dtype != np.float64
        or not outputs.stop <= frequencies_hz.size <= MOST_FREQUENCIES
    ):
        raise BadInput(
            f"{where}: array {FREQUENCIES!r} holds {frequencies_hz.dtype} {list(frequencies_hz.shape)}, "
            f"needs {outputs.stop} to {MOST_FREQUENCIES} of float64"
        )
    if not np.isfinite(frequencies_hz).all():
        raise BadInput(f"{where}: array {FREQUENCIES!r} holds NaN or infinity")
    return frequencies_hz


def checked_mixture(
    where: str, arrays: Mapping[str, NDArray[Any]], reader: InputReader, frequencies: int
) -> Mixture:
    """BadInput where an array is missing, unknown, of another shape, not finite, or a divisor not above 0."""
    columns, d = reader.outputs.stop - reader.outputs.start, reader.own_inputs
    inputs, seen = reader.band_inputs(frequencies), d + 2
    basis = arrays.get("band.basis")
    scores = min(basis.shape[-1], BAND_SCORES) if basis is not None and basis.ndim else 0
    shapes = {
        "own.weights": (columns, d, HORIZON_STEPS),
        "band.scale": (inputs,),
        "band.basis": (inputs, scores),
        "band.weights": (scores, HORIZON_STEPS * columns),
        "curves.step_db": (columns,),
        "curves.centre": (seen,),
        "curves.width": (seen,),
        "curves.direction": (seen, CURVES),
        "curves.offset": (CURVES,),
        "curves.weights": (seen + CURVES, HORIZON_STEPS),
    }
    checked = checked_tensors(where, arrays, shapes, besides=[FREQUENCIES, NLINEAR])
    for name in ("band.scale", "curves.width"):
        if not (checked[name] > 0).all():
            raise BadInput(f"{where}: array {name!r} holds {checked[name].min():g}, must be above 0")
    if not (checked["curves.step_db"] >= 0).all():
        raise BadInput(f"{where}: array 'curves.step_db' holds a negative value, must be at least 0")
    return Mixture(
        own=checked["own.weights"],
        band=Band(*(checked[f"band.{name}"] for name in ("scale", "basis", "weights"))),
        curves=Curves(
            *(
                checked[f"curves.{name}"]
                for name in ("step_db", "centre", "width", "direction", "offset", "weights")
            )
        ),
    )


def checked_nlinear(where: str, arrays: Mapping[str, NDArray[Any]], outputs: slice) -> FittedNLinear:
    """BadInput where its map is missing, of another shape or type, or not finite."""
    weights = arrays.get(NLINEAR)
    if weights is None:
        raise BadInput(f"{where}: lacks array {NLINEAR!r}")
    shape = (HISTORY_STEPS, HORIZON_STEPS)
    if weights.dtype != np.float64 or weights.shape != shape:
        raise BadInput(
            f"{where}: array {NLINEAR!r} holds {weights.dtype} {list(weights.shape)}, "
            f"needs float64 {list(shape)}"
        )
    if not np.isfinite(weights).all():
        raise BadInput(f"{where}: array {NLINEAR!r} holds NaN or infinity")
    return FittedNLinear(outputs, weights)
