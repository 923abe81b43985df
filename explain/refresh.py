"""What a band's recent windows say of its clusters: tree, portraits, attributions and sentences in one go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..models.activity import BandModel
from ..models.encoder import Encoder
from ..models.halves import first_half, stretches
from ..models.window_features import window_features
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .bisector_tree import BisectorTree
from .cluster_scores import DistanceScores
from .guided_backprop import GuidedBackprop
from .measure_tree import MeasureTree
from .plain_names import PixelSize
from .portraits import Portrait, Portraits
from .shallow_tree import ShallowTree
from .study_trees import Grown
from .typical import measured_windows, typical_windows
from .words import ClusterWords, cluster_words

WINDOWS_A_CLUSTER = 4
MOST_ATTRIBUTED = 32
_EMBEDDED_AT_ONCE = 64

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class TreeFigures:
    """A tree's depth, leaves and fidelity: the share of windows to which it gives their cluster, of those it
    was grown on, and of the half it had not seen (NaN where no half is enough for a tree)."""

    depth: int
    leaves: int
    fidelity: float
    held_out: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything about one band's clusters, from `windows` windows between two moments.

    `attributions` float32 [p, 128, 128] are mean maps of the clusters of `portraits`, in their order, each
    over `attributed` of its windows. `paper_figures` are those of the paper's shallow tree, of cuts along
    components, beside the `tree`'s. `numbers` are those of the tree's centres, `seconds` what each part
    took, by kind. `relabelled`: the share of the windows whose cluster is another today than when it was
    heard, of those that had one.
    """

    model: str
    windows: int
    first_ns: int
    last_ns: int
    pixel: PixelSize
    tree: BisectorTree
    tree_figures: TreeFigures
    paper_figures: TreeFigures
    measures: MeasureTree
    measures_fidelity: float
    portraits: tuple[Portrait, ...]
    attributions: Float32
    attributed: tuple[int, ...]
    words: tuple[ClusterWords, ...]
    relabelled: float
    numbers: tuple[int, ...]
    seconds: dict[str, float] = field(default_factory=dict)


def refresh(
    values: NDArray[np.float16],
    segments: Int64,
    given: Int64,
    start_ns: Int64,
    row_seconds: float,
    model: BandModel,
    encoder: Encoder,
    embed: Callable[[Float32], Float32],
    *,
    clock: Clock = time.monotonic,
) -> Explanation:
    """Explain a band's clusters by these windows of it.

    Shape: values [n, 128, 128] in [0, 1]; segments, given (clusters of then, -1 for none), start_ns int64
    [n]. Labels are those of `model` today. Raises BadInput for fewer than four windows a cluster.
    """
    if len(values) < WINDOWS_A_CLUSTER * model.cluster_count:
        raise BadInput(
            f"{model.geometry.node}/{model.geometry.band}: {len(values)} windows, {model.cluster_count} "
            f"clusters need {WINDOWS_A_CLUSTER * model.cluster_count}"
        )
    seconds: dict[str, float] = {}
    with _timed(seconds, "features", clock):
        features = np.concatenate(
            [
                embed(values[first : first + _EMBEDDED_AT_ONCE].astype(np.float32))
                for first in range(0, len(values), _EMBEDDED_AT_ONCE)
            ]
        )
        clusters, distances, _ = model.assign(features)
    with _timed(seconds, "tree", clock):
        grown_on = (model, model.points(features), clusters, start_ns)
        tree, figures = _grown(BisectorTree, *grown_on)
        _, paper_figures = _grown(ShallowTree, *grown_on)
    with _timed(seconds, "portraits", clock):
        portraits = Portraits(model.clusters, model.geometry.segments)
        for window, *facts in zip(
            values, clusters.tolist(), segments.tolist(), start_ns.tolist(), distances.tolist(), strict=True
        ):
            portraits.add(window, *facts)
        drawn = portraits.portraits()
    with _timed(seconds, "attributions", clock):
        scores = DistanceScores(model.projection, model.centres)
        explainer = GuidedBackprop(encoder, scores)
        maps, attributed = _attributions(explainer, values, clusters, model, drawn)
    with _timed(seconds, "words", clock):
        measured = measured_windows(
            window_features(values), clusters, segments, start_ns, model.geometry, row_seconds
        )
        typical = typical_windows(measured)
        measures = MeasureTree().fit(measured.features, clusters, measured.pixel)
    known = given >= 0
    return Explanation(
        model=model.name,
        windows=len(values),
        first_ns=int(start_ns.min()),
        last_ns=int(start_ns.max()),
        pixel=measured.pixel,
        tree=tree,
        tree_figures=figures,
        paper_figures=paper_figures,
        measures=measures,
        measures_fidelity=measures.fidelity(measured.features, clusters),
        portraits=drawn,
        attributions=maps,
        attributed=attributed,
        words=tuple(cluster_words(typical[portrait.cluster]) for portrait in drawn),
        relabelled=float((given != clusters)[known].mean()) if known.any() else 0.0,
        numbers=tuple(model.clusters.tolist()),
        seconds=seconds,
    )


def _grown(
    kind: type[Grown], model: BandModel, points: Float32, clusters: Int64, start_ns: Int64
) -> tuple[Grown, TreeFigures]:
    centres = model.centres.astype(np.float64)
    place = {number: index for index, number in enumerate(model.clusters.tolist())}
    labels = np.array([place[number] for number in clusters.tolist()], dtype=np.int64)
    tree = kind(len(centres)).fit(points, centres)
    first = first_half(stretches(np.zeros(len(points), np.int64), start_ns, None), None, 0)
    right = 0.0
    try:
        for half in (first, ~first):
            grown = kind(len(centres)).fit(points[half], centres)
            right += grown.fidelity(points[~half], labels[~half]) * int((~half).sum())
    except BadInput:  # a half of fewer distinct points than centres
        right = np.nan
    return tree, TreeFigures(tree.depth_, tree.n_leaves_, tree.fidelity(points, labels), right / len(points))


def _attributions(
    explainer: GuidedBackprop,
    values: NDArray[np.float16],
    clusters: Int64,
    model: BandModel,
    portraits: tuple[Portrait, ...],
) -> tuple[Float32, tuple[int, ...]]:
    """Of each cluster the mean map over at most 32 of its windows, evenly drawn over time."""
    rows = {number: index for index, number in enumerate(model.clusters.tolist())}
    maps = np.empty((len(portraits), *values.shape[1:]), np.float32)
    counts: list[int] = []
    for number, portrait in enumerate(portraits):
        own = np.flatnonzero(clusters == portrait.cluster)
        chosen = own[np.unique(np.linspace(0, len(own) - 1, MOST_ATTRIBUTED).round().astype(np.int64))]
        asked = np.full(len(chosen), rows[portrait.cluster], np.int64)
        maps[number] = explainer.average(values[chosen].astype(np.float32), asked)
        counts.append(len(chosen))
    return maps, tuple(counts)


@contextmanager
def _timed(seconds: dict[str, float], kind: str, clock: Clock) -> Iterator[None]:
    started = clock()
    yield
    seconds[kind] = clock() - started
