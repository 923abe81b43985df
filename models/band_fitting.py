"""A band's model, fitted on the node from what the band has shown so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64, read_only
from ..pipeline.state import State
from .activity import BandModel, Geometry, model_name
from .activity_facts import checked_geometry
from .assigning import Assigning
from .calibration_blocks import calibration_blocks, disjoint_windows
from .cluster_numbers import numbers_after
from .clustering import Projection, fit_centres, fit_projection
from .novelty import Usual, fit_usual
from .stated import Stated

MOST_CLUSTERS = 24
MOST_COMPONENTS = 20
WINDOWS_A_CLUSTER = 8
FEWEST_WINDOWS = 8
MOST_HELD = 6144
LEAST_FARTHEST = 1e-3


def fit_band_model(
    features: Float32,
    geometry: Geometry,
    *,
    previous: BandModel | None = None,
    clusters: int = MOST_CLUSTERS,
    components: int = MOST_COMPONENTS,
    whiten: bool = False,
    seed: int = 0,
    stride_rows: int = 16,
    heard: int | None = None,
) -> BandModel:
    """Fit a band model on the features [n, d] of a band's windows, in the order they came.

    At most one cluster for every eight windows. The model is fitted on all of them; the novelty is calibrated
    by models that were fitted without one block of time each, on that block (`calibration_blocks`). `whiten`
    scales the components to equal variance; `stride_rows` is how far the windows are apart. With `previous`,
    clusters keep the numbers of those they lie nearest to (`numbers_after`). `heard` is how many windows
    these stand for, where they are not all.

    Raises BadInput for fewer than 8 windows or features that are not finite. Two fits of the same features
    are equal to the bit.
    """
    count = features.shape[0]
    if count < FEWEST_WINDOWS:
        raise BadInput(f"{geometry.node}/{geometry.band}: {count} windows, a band model needs at least 8")
    if not np.isfinite(features).all():
        raise BadInput(f"{geometry.node}/{geometry.band}: features hold NaN or infinity")

    def fitted(learnt: Float32) -> _Fitted:
        wanted = min(clusters, max(2, len(learnt) // WINDOWS_A_CLUSTER))
        projection = fit_projection(learnt, components, whiten=whiten)
        centres, labels = fit_centres(projection.points(learnt), wanted, seed)
        return _Fitted(projection, centres, fit_usual(learnt, labels))

    found = [
        fitted(features[is_learnt]).distances(features[is_held_out])
        for is_learnt, is_held_out in calibration_blocks(count, geometry.segments, stride_rows)
    ]
    farthest = max(LEAST_FARTHEST, *(float(from_centre.max()) for from_centre, _ in found))
    calibration = read_only(np.sort(np.concatenate([from_usual for _, from_usual in found])))
    whole = fitted(features)
    numbers, numbers_used = np.arange(len(whole.centres), dtype=np.int64), len(whole.centres)
    if previous is not None:
        numbers, numbers_used = numbers_after(previous, whole.projection.features(whole.centres))
    stands_for = count if heard is None else heard
    return BandModel(
        name=model_name(geometry, stands_for, whole.centres, calibration),
        geometry=geometry,
        windows=stands_for,
        projection=whole.projection,
        centres=read_only(whole.centres),
        clusters=read_only(numbers),
        numbers_used=numbers_used,
        farthest=farthest,
        usual=replace(
            whole.usual,
            calibration=calibration,
            disjoint=disjoint_windows(count, geometry.segments, stride_rows),
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """What was fitted on some of a band's windows."""

    projection: Projection
    centres: Float32
    usual: Usual

    def distances(self, features: Float32) -> tuple[Float32, Float32]:
        """Of windows [n, d] from their centres and from what their clusters usually show: [n] each."""
        found = list(Assigning(self.projection, self.centres, self.usual)(features))
        return np.array([row[1] for row in found], np.float32), np.array(
            [row[2] for row in found], np.float32
        )


class BandFitter:
    """Gathers the features of a band's windows and fits its model when enough have come.

    First at `first_windows`, then whenever there are `growth` times as many, last at `last_windows`: 96,
    384, 1536, 6144, 24576, 98304, 393216. A fit is on the windows up to that number exactly, so that the
    size of the batches changes nothing; on all of them, or where they are more than `most_held`, on those of
    every so many moments. `stride_rows` is the windower's: neighbours that share rows are kept apart by it.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        first_windows: int = 96,
        growth: int = 4,
        last_windows: int = 393_216,
        most_held: int = MOST_HELD,
        whiten: bool = False,
        seed: int = 0,
        stride_rows: int = 16,
    ) -> None:
        if first_windows < FEWEST_WINDOWS or growth < 2 or last_windows < first_windows:
            raise BadInput(
                f"band fitting: first_windows {first_windows}, growth {growth}, last_windows {last_windows}; "
                "needs at least 8, at least 2, and no fewer windows last than first"
            )
        self.geometry = geometry
        self._first_windows, self._growth, self._last_windows = first_windows, growth, last_windows
        self._most_held = max(most_held, first_windows)
        self._whiten = whiten
        self._seed = seed
        self._stride_rows = stride_rows
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._held: list[Float32] = []
        self._every = 1  # moments: of so many, the first is held
        self._closest_rows = self._stride_rows  # how near each other any two moments may be
        self._count = 0
        self._due: int | None = self._first_windows
        self.model: BandModel | None = None

    @property
    def windows(self) -> int:
        """Windows heard, up to the last fit."""
        return self._count

    @property
    def windows_due(self) -> int | None:
        """At how many windows the next fit is; None after the last."""
        return self._due

    def push(self, features: Float32) -> BandModel | None:
        """Take features [n, d], oldest first; the newest model if one was fitted because of them."""
        before = self.model
        while self._due is not None and (len(features) or self._count >= self._due):
            if self._count < self._due:
                taken, features = np.split(features, [self._due - self._count])
                kept = taken[self._is_held(np.arange(self._count, self._count + len(taken)))]
                if len(kept):
                    self._held.append(read_only(kept))
                self._count += len(taken)
            if self._count >= self._due:
                self._fit(self._due)
        return self.model if self.model is not before else None

    def state(self) -> State:
        """What is held for the next fit, when that is, and the model of the last one."""
        return {
            "geometry": asdict(self.geometry),
            "held": list(self._held),  # these arrays are written once
            "heard": self._count,
            "every": self._every,
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
        heard = kept.integer("heard", least=0, most=self._last_windows)
        every = kept.integer("every", least=1, most=self._last_windows)
        due = kept.optional("due", lambda name: kept.integer(name, least=1, most=self._last_windows))
        closest_rows = kept.integer("stride_rows", least=1)
        model = kept.optional("model", lambda name: BandModel.of_state(kept.part(name)))
        lengths = {features.shape[1] for features in held}
        if model is not None:
            lengths.add(model.projection.dimensions)
        if len(lengths) > 1:
            raise BadInput(f"{kept}: features of the model and of windows held have several lengths")
        expected = 0 if due is None else _held_of(heard, every, self.geometry.segments)
        if (count := sum(map(len, held))) != expected:
            raise BadInput(f"{kept}: {count} windows are held, needs {expected} of {heard} heard")
        most = self._most_held + self.geometry.segments  # the last moment may not be whole
        if expected > most:
            raise BadInput(f"{kept}: {expected} windows are held, needs at most {most}")
        if model is not None and due is not None and due <= heard:
            raise BadInput(f"{kept}: the next fit is due at {due} windows, {heard} have been heard")
        self.model = model
        self._due = self._first_windows if model is None else due
        self._held, self._count, self._every = held, heard, every
        self._closest_rows = min(self._stride_rows, closest_rows)

    def _fit(self, count: int) -> None:
        features = read_only(np.concatenate(self._held))
        self.model = fit_band_model(
            features[: _held_of(count, self._every, self.geometry.segments)],
            self.geometry,
            previous=self.model,
            whiten=self._whiten,
            seed=self._seed,
            stride_rows=self._closest_rows * self._every,
            heard=count,
        )
        self._due = None if count >= self._last_windows else min(count * self._growth, self._last_windows)
        if self._due is None:
            self._held = []
            return
        thinner = -(-_held_of(self._due, self._every, self.geometry.segments) // self._most_held)
        held = np.flatnonzero(self._is_held(np.arange(self._count)))
        self._every *= thinner
        self._held = [read_only(features[self._is_held(held)])]

    def _is_held(self, windows: Int64) -> NDArray[np.bool_]:
        """Whether the windows of these numbers, counted from the first, are held: bool [n]."""
        return windows // self.geometry.segments % self._every == 0


def _held_of(windows: int, every: int, segments: int) -> int:
    """Of so many windows, how many are of a moment that is held: the first of `every`."""
    periods, left = divmod(windows, every * segments)
    return periods * segments + min(left, segments)
