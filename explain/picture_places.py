"""Pictures upon a map, moved aside where one would hide another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 96  # of the room, either way: where a picture may be moved to


def apart(
    wanted: NDArray[np.float64], size: tuple[float, float], room: tuple[float, float]
) -> NDArray[np.float64]:
    """Centres of equal pictures in a room from (0, 0), none upon another, each as near to where it is wanted
    as those before it leave room for; there, where they leave none.

    Shape: wanted [n, 2], in the unit of `size` and `room` (width, height) -> [n, 2].
    """
    half = np.array(size) / 2
    most = np.maximum(np.array(room) - half, half)
    across, up = (np.linspace(half[side], most[side], _STEPS) for side in (0, 1))
    raster = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    placed = np.empty((0, 2))
    for place in np.clip(wanted.astype(np.float64), half, most):
        candidates = np.concatenate([place[None], raster])
        is_near = np.abs(candidates[:, None] - placed) < np.array(size) * (1 - 1e-9)
        hidden = is_near.all(axis=-1).any(axis=-1)
        away = np.where(hidden, np.inf, np.square(candidates - place).sum(axis=1))
        placed = np.concatenate([placed, candidates[away.argmin()][None]])
    return placed
