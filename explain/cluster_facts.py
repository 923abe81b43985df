"""All that a report says of one cluster: words, portrait, path, rule, attribution, example windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..models.activity import BandModel
from ..models.evaluated_windows import EvaluatedWindows
from ..pipeline.frames import Float32, Int64, read_only
from .guided_backprop import GuidedBackprop
from .portraits import Portrait, Portraits
from .study_trees import StudyTrees
from .typical import MeasuredWindows, Typical, typical_windows
from .words import ClusterWords, WindowWords, cluster_words, window_words

MOST_ATTRIBUTED = 32


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One window: its number among those studied, why it was chosen, its map float32 [128, 128], words."""

    index: int
    chosen_as: str
    attribution: Float32
    words: WindowWords


@dataclass(frozen=True, slots=True, eq=False)
class ClusterFacts:
    """`path`: the conditions of its leaf in the bisector tree, empty where it has none; `rule`: its
    main one in the tree over measures. `average` is the mean of `attributed` of its windows, drawn evenly,
    `attribution` the mean of their maps; float32 [128, 128] each. Examples: nearest to the centre first."""

    number: int
    words: ClusterWords
    typical: Typical
    portrait: Portrait
    path: str
    rule: str
    average: Float32
    attribution: Float32
    attributed: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """Windows, their points [n, c] and what the model says of each: [n] clusters, distances, novelties."""

    windows: EvaluatedWindows
    points: Float32
    clusters: Int64
    distances: Float32
    novelties: Float32


def facts_of_clusters(
    assigned: Assigned,
    measured: MeasuredWindows,
    model: BandModel,
    trees: StudyTrees,
    explainer: GuidedBackprop,
    *,
    seed: int = 0,
    on_cluster: Callable[[int], None] = lambda _: None,
) -> tuple[ClusterFacts, ...]:
    """Of every cluster that has windows, by number; `on_cluster` hears each as it begins."""
    typicals = typical_windows(measured)
    portraits = _portraits(assigned, model)
    places = {int(number): place for place, number in enumerate(model.clusters)}
    found: list[ClusterFacts] = []
    for number, typical in typicals.items():
        on_cluster(number)
        own = np.flatnonzero(assigned.clusters == number)
        drawn = own
        if len(own) > MOST_ATTRIBUTED:
            random = np.random.default_rng((seed, number))
            drawn = np.sort(random.choice(own, MOST_ATTRIBUTED, replace=False))
        values = assigned.windows.values[drawn].astype(np.float32)
        found.append(
            ClusterFacts(
                number=number,
                words=cluster_words(typical),
                typical=typical,
                portrait=portraits.portrait(number),
                path=trees.path(number),
                rule=trees.measure.rule_words(number),
                average=read_only(values.mean(axis=0)),
                attribution=read_only(
                    explainer.average(values, np.full(len(values), places[number], dtype=np.int64))
                ),
                attributed=len(drawn),
                examples=tuple(
                    _example(assigned, measured, typical, trees, explainer, places[number], index, why)
                    for index, why in _chosen(own, assigned.distances[own])
                ),
            )
        )
    return tuple(found)


def _portraits(assigned: Assigned, model: BandModel) -> Portraits:
    windows = assigned.windows
    portraits = Portraits(model.clusters, model.geometry.segments)
    for index in range(len(windows)):
        portraits.add(
            windows.values[index],
            int(assigned.clusters[index]),
            int(windows.segment[index]),
            int(windows.start_ns[index]),
            float(assigned.distances[index]),
        )
    return portraits


def _chosen(own: Int64, distances: Float32) -> list[tuple[int, str]]:
    """Up to three windows by their distance from the centre: the nearest, the middle one, the farthest."""
    by_distance = own[np.argsort(distances, kind="stable")]
    chosen = {
        int(by_distance[0]): "nearest to the centre",
        int(by_distance[-1]): "farthest from the centre",
        int(by_distance[(len(own) - 1) // 2]): "at the middle distance",
    }
    chosen[int(by_distance[0])] = "nearest to the centre"  # of one or two windows it is the middle one, too
    order = by_distance.tolist()
    return sorted(chosen.items(), key=lambda item: order.index(item[0]))


def _example(
    assigned: Assigned,
    measured: MeasuredWindows,
    typical: Typical,
    trees: StudyTrees,
    explainer: GuidedBackprop,
    place: int,
    index: int,
    why: str,
) -> Example:
    only = slice(index, index + 1)
    one = replace(
        measured,
        features=measured.features[only],
        clusters=measured.clusters[only],
        segments=measured.segments[only],
        start_ns=measured.start_ns[only],
    )
    # A tree that sends the window elsewhere does not say why it is of this cluster.
    paths: list[str] = []
    if trees.measure.predict(one.features)[0] == typical.cluster:
        paths.append(trees.measure.path_words(one.features[0]))
    if trees.seen[trees.bisector.predict(assigned.points[only])[0]] == typical.cluster:
        paths.append(trees.window_words(assigned.points[index]))
    values = assigned.windows.values[only].astype(np.float32)
    return Example(
        index=index,
        chosen_as=why,
        attribution=read_only(explainer.attribute(values, np.array([place], dtype=np.int64))[0]),
        words=window_words(one, typical, novelty=float(assigned.novelties[index]), paths=paths),
    )
