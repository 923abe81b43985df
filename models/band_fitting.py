"""A band's model, fitted on the node from what the band has shown so far."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.state import State
from ..pipeline.windows import WINDOW_ROWS
from .activity import BandModel, Geometry, model_name
from .activity_facts import checked_geometry
from .clustering import fit_centres, fit_projection, nearest
from .stated import Stated

MOST_CLUSTERS = 24
MOST_COMPONENTS = 20
WINDOWS_A_CLUSTER = 8
HELD_OUT_EVERY = 4
STRIDES_A_BLOCK = 32
LEAST_BLOCK_ROWS = 256
LEAST_FARTHEST = 1e-3


def fit_band_model(
    features: Float32,
    geometry: Geometry,
    *,
    previous: BandModel | None = None,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    whiten: bool = True,
    seed: int = 0,
    stride_rows: int = 16,
) -> BandModel:
    """Fit a band model on the features [n, d] of a band's windows, in the order they came.

    At most one cluster for every eight windows. Some windows are held out: the model never sees them nor
    any of their rows, and their distances calibrate the novelty (`calibration_split`); `stride_rows` is how
    far the windows are apart. With `previous`, clusters keep the numbers of those they lie nearest to
    (`kept_numbers`).

    Raises BadInput for fewer than 8 windows or features that are not finite. Two fits of the same features
    are equal to the bit.
    """
    count = features.shape[0]
    if count < 2 * HELD_OUT_EVERY:
        raise BadInput(f"{geometry.node}/{geometry.band}: {count} windows, a band model needs at least 8")
    if not np.isfinite(features).all():
        raise BadInput(f"{geometry.node}/{geometry.band}: features hold NaN or infinity")
    is_learnt, is_held_out = calibration_split(count, geometry.segments, stride_rows)
    learnt = features[is_learnt]
    projection = fit_projection(learnt, components, whiten=whiten)
    wanted = min(clusters, max(2, count // WINDOWS_A_CLUSTER))
    centres, _ = fit_centres(projection.points(learnt), wanted, seed)
    _, distances = nearest(projection.points(features[is_held_out]), centres)
    calibration = np.sort(distances)
    numbers, numbers_used = np.arange(len(centres), dtype=np.int64), len(centres)
    if previous is not None:
        numbers, numbers_used = _numbers_after(previous, projection.features(centres))
    return BandModel(
        name=model_name(geometry, count, centres, calibration),
        geometry=geometry,
        windows=count,
        projection=projection,
        centres=read_only(centres),
        clusters=read_only(numbers),
        numbers_used=numbers_used,
        calibration=read_only(calibration),
    )


def calibration_split(
    count: int, segments: int, stride_rows: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of a band's windows the model is fitted on and which calibrate it: bool [count] each.

    `segments` windows at a time are of one moment and span the same 128 rows, `stride_rows` after those
    before. The rows are cut into four blocks, or as many times four as leave blocks of 32 strides and 256
    rows; the last block of every four is held out. A window belongs to a side if all of its rows do; those
    across a border belong to neither.

    With few rows the last 256 are held out; the last 128, one moment, below 768 rows in all. At the first
    fit, 96 windows of 8 segments are 304 rows: 32 windows to fit on and 8 to calibrate with, so that no
    novelty exceeds 1 - 1 / 9. Below 256 rows no two windows are disjoint: the last quarter of the windows
    calibrates, though it overlaps the others, and too much will be called novel.
    """
    moment = np.arange(count) // segments
    rows = int(moment[-1]) * stride_rows + WINDOW_ROWS
    if rows < 2 * WINDOW_ROWS:
        held_out = np.arange(count) >= count - count // HELD_OUT_EVERY
        return ~held_out, held_out
    first = moment * stride_rows
    after = first + WINDOW_ROWS
    learnt, held_out = np.ones(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    for start, end in _held_out_rows(rows, stride_rows):
        held_out |= (first >= start) & (after <= end)
        learnt &= (after <= start) | (first >= end)
    return learnt, held_out


def _held_out_rows(rows: int, stride_rows: int) -> list[tuple[int, int]]:
    """First row and the row after the last of each held-out block."""
    wanted = HELD_OUT_EVERY * max(LEAST_BLOCK_ROWS, STRIDES_A_BLOCK * stride_rows)
    periods = rows // wanted
    if periods == 0:
        least = LEAST_BLOCK_ROWS if rows >= 3 * LEAST_BLOCK_ROWS else WINDOW_ROWS
        return [(rows - max(least, rows // HELD_OUT_EVERY), rows)]
    blocks = HELD_OUT_EVERY * periods
    return [
        (rows * (last - 1) // blocks, rows * last // blocks)
        for last in range(HELD_OUT_EVERY, blocks + 1, HELD_OUT_EVERY)
    ]


def kept_numbers(
    centres: Float32, old_centres: Float32, old_numbers: Int64, *, farthest: float, next_number: int
) -> Int64:
    """Numbers int64 [k] for new centres [k, d]; each old centre [j, d] gives its own to at most one.

    They are paired so that the sum of squared distances is least, one beyond `farthest` counting as that
    (Hungarian method). Pairs `farthest` apart or more are none: such a centre, and any left over, gets a
    number nobody had, from `next_number` on.
    """
    from scipy.optimize import linear_sum_assignment

    away = centres[:, None, :].astype(np.float64) - old_centres[None, :, :]
    squares = (away * away).sum(axis=2)
    new_index, old_index = linear_sum_assignment(np.minimum(squares, farthest**2))
    near = squares[new_index, old_index] < farthest**2
    numbers = np.full(len(centres), -1, dtype=np.int64)
    numbers[new_index[near]] = old_numbers[old_index[near]]
    left = np.flatnonzero(numbers < 0)
    numbers[left] = next_number + np.arange(len(left))
    return numbers


def _numbers_after(previous: BandModel, centres: Float32) -> tuple[Int64, int]:
    """Numbers for new centres [k, d] in feature space, and how many were ever given out.

    The old model measures: a new centre farther from an old one than any calibration window was from its
    own is another cluster. Least distance 0.001, for bands that never change.
    """
    numbers = kept_numbers(
        previous.points(centres),
        previous.centres,
        previous.clusters,
        farthest=max(float(previous.calibration[-1]), LEAST_FARTHEST),
        next_number=previous.numbers_used,
    )
    return numbers, max(previous.numbers_used, int(numbers.max()) + 1)


class BandFitter:
    """Gathers the features of a band's windows and fits its model when enough have come.

    First at `first_windows`, then whenever there are `growth` times as many, last at `last_windows`: 96,
    384, 1536, 6144. A fit is on the windows up to that number exactly, so that the size of the batches
    changes nothing. `stride_rows` is the windower's: neighbours that share rows are kept apart by it.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        first_windows: int = 96,
        growth: int = 4,
        last_windows: int = 6144,
        seed: int = 0,
        stride_rows: int = 16,
    ) -> None:
        if first_windows < 2 * HELD_OUT_EVERY or growth < 2 or last_windows < first_windows:
            raise BadInput(
                f"band fitting: first_windows {first_windows}, growth {growth}, last_windows {last_windows}; "
                "needs at least 8, at least 2, and no fewer windows last than first"
            )
        self.geometry = geometry
        self._first_windows, self._growth, self._last_windows = first_windows, growth, last_windows
        self._seed = seed
        self._stride_rows = stride_rows
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._held: list[Float32] = []
        self._closest_rows = self._stride_rows  # how near each other any two of the held windows may be
        self._count = 0
        self._due: int | None = self._first_windows
        self.model: BandModel | None = None

    @property
    def windows(self) -> int:
        """Windows taken towards the next fit; after the last fit none are."""
        return self._count

    @property
    def windows_due(self) -> int | None:
        """At how many windows the next fit is; None after the last."""
        return self._due

    def push(self, features: Float32) -> BandModel | None:
        """Take features [n, d], oldest first; the newest model if one was fitted because of them."""
        before = self.model
        if self._due is not None and len(features):
            self._held.append(read_only(features[: self._last_windows - self._count].copy()))
            self._count += len(self._held[-1])
        while self._due is not None and self._count >= self._due:
            self._fit(self._due)
        return self.model if self.model is not before else None

    def state(self) -> State:
        """What is held for the next fit, when that is, and the model of the last one."""
        return {
            "geometry": asdict(self.geometry),
            "held": list(self._held),  # these arrays are written once
            "stride_rows": self._closest_rows,
            "due": self._due,
            "model": None if self.model is None else self.model.state(),
        }

    def restore(self, state: State) -> None:
        """Go on as the fitter that gave `state`; BadInput where it does not fit: as new, then.

        Another stride or first fit than that fitter had is no harm: windows that were farther apart than
        the stride that is reckoned with share no row either.
        """
        self.reset()
        kept = Stated(f"band fitting of {self.geometry.node}/{self.geometry.band}", state)
        geometry = checked_geometry(str(kept), kept.part("geometry"))
        if (geometry.node, geometry.band) != (self.geometry.node, self.geometry.band):
            raise BadInput(f"{kept}: is of {geometry.node}/{geometry.band}")
        if not geometry.same_measure(self.geometry):
            raise BadInput(f"{kept}: is of {geometry}, the band has {self.geometry}")
        held = kept.arrays("held", np.float32, (None, None))
        count = sum(map(len, held))
        if count > self._last_windows:
            raise BadInput(f"{kept}: {count} windows are held, needs at most {self._last_windows}")
        due = kept.optional("due", lambda name: kept.integer(name, least=1, most=self._last_windows))
        closest_rows = kept.integer("stride_rows", least=1)
        model = kept.optional("model", lambda name: BandModel.of_state(kept.part(name)))
        lengths = {features.shape[1] for features in held}
        if model is not None:
            lengths.add(model.projection.dimensions)
        if len(lengths) > 1:
            raise BadInput(f"{kept}: features of the model and of windows held have several lengths")
        self.model = model
        self._due = self._first_windows if model is None else due
        self._held, self._count = held, count
        self._closest_rows = min(self._stride_rows, closest_rows)

    def _fit(self, count: int) -> None:
        features = read_only(np.concatenate(self._held))
        self._held = [features]
        self.model = fit_band_model(
            features[:count],
            self.geometry,
            previous=self.model,
            seed=self._seed,
            stride_rows=self._closest_rows,
        )
        self._due = None if count >= self._last_windows else min(count * self._growth, self._last_windows)
        if self._due is None:
            self._held = []
