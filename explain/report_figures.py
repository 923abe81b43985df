"""The figures of a study as files: SVG or PNG, each with the numbers it was drawn from beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32
from .attribution_figures import draw_attributions
from .centre_tree import CentreTree
from .cluster_facts import ClusterFacts
from .cluster_study import ClusterStudy
from .pca_figure import draw_components
from .portrait_figures import draw_portrait, draw_portraits
from .report_figure import ReportFigure, plain, report_figure
from .said import NOTHING_SAID, Said, shortened
from .study_trees import component_names
from .tree_drawing import draw_tree


def figures_of(study: ClusterStudy, said: Said = NOTHING_SAID) -> Iterator[ReportFigure]:
    """Components, the tree, the paper's, portraits, then portrait and attribution of each cluster:
    `figure_count` of them, with the names that people gave."""
    yield _components(study)
    yield _tree(study, said.names)
    yield _paper_tree(study, said.names)
    yield _portraits(study, said.names)
    for cluster in study.clusters:
        yield _portrait(study, cluster, said.names)
        yield _attribution(study, cluster)


def figure_count(study: ClusterStudy) -> int:
    return 4 + 2 * len(study.clusters)


def portrait_name(number: int) -> str:
    return f"cluster-{number}-portrait.png"


def attribution_name(number: int) -> str:
    return f"cluster-{number}-attribution.png"


LETTERS = "ABC"  # of the example windows
_MOST_NAME = 24  # characters in a leaf
COMPONENTS, TREE, PAPER_TREE = "components.png", "tree.svg", "paper-tree.svg"
PORTRAITS = "portraits.png"


def _components(study: ClusterStudy) -> ReportFigure:
    found = study.components
    averages = {cluster.number: cluster.average for cluster in study.clusters}
    arrays = {
        "cumulative_variance": found.cumulative_variance,
        "windows": found.drawn,
        "clusters": found.clusters,
        "features_map": found.features_map,
        "points_map": found.points_map,
    }
    caption = (
        f"What the principal components keep. (a) 85 % of the variance of the encoder's features is in "
        f"the first {found.components_for(0.85)}; {found.components} are kept. (b, c) t-SNE: a dot is a "
        "window, dots that lie together look alike to the encoder, one colour is one cluster. Its average "
        "spectrogram, under its number, stands on its middle, or as near as there is room (a line leads "
        "there). Look whether the coloured groups are the same in both maps: then the components lose "
        "nothing that matters. How far groups are apart on a map, and which is above, says nothing."
    )
    return report_figure(COMPONENTS, draw_components(found, averages), caption, arrays)


def _tree(study: ClusterStudy, names: Mapping[int, str]) -> ReportFigure:
    caption = (
        "The tree. Read from left to right: each box asks which of two clusters a window is more like, which "
        'is whose centre it is nearer to; go along "yes" to the first. Look the two up among the portraits '
        "to see what the question is about. Each cluster has one leaf on the right. " + _HOW_TO_READ
    )
    return _drawn(TREE, study.trees.bisector, study, names, caption)


def _paper_tree(study: ClusterStudy, names: Mapping[int, str]) -> ReportFigure:
    caption = (
        "The first paper's shallow tree of the same clusters. At each box one principal component (PC) is "
        'compared with one number; go along "yes" where the rule holds. ' + _HOW_TO_READ
    )
    return _drawn(PAPER_TREE, study.trees.shallow, study, names, caption)


_HOW_TO_READ = (
    "The red bar is the share of windows that came here and belong elsewhere: where it is long, the cuts do "
    "not tell these clusters well. Lines are as thick as the share of windows on them."
)


def _drawn(
    name: str, tree: CentreTree[Any], study: ClusterStudy, names: Mapping[int, str], caption: str
) -> ReportFigure:
    numbers = study.trees.seen.tolist()
    drawing = draw_tree(
        tree,
        feature_names=component_names(study.trees.shallow),
        cluster_names={place: _called(number, names) for place, number in enumerate(numbers)},
    )
    nodes = [asdict(node) | {"cuts": not node.is_leaf} for node in tree.nodes_]
    data = json.dumps({"clusters": numbers, "nodes": plain(nodes)}, indent=1, allow_nan=False)
    return ReportFigure(
        name, drawing.encode(), caption, f"{name.removesuffix('.svg')}.json", (data + "\n").encode()
    )


def _portraits(study: ClusterStudy, names: Mapping[int, str]) -> ReportFigure:
    portraits = [cluster.portrait for cluster in study.clusters]
    arrays = {
        "clusters": np.array([portrait.cluster for portrait in portraits]),
        "mean_db": np.stack([portrait.mean_db for portrait in portraits]),
        "segments": np.stack([portrait.origins.segments for portrait in portraits]),
        "hours": np.stack([portrait.origins.hours for portrait in portraits]),
        "all_segments": portraits[0].origins.all_segments,
        "all_hours": portraits[0].origins.all_hours,
    }
    caption = (
        "Every cluster at a glance. Above, the average of its windows, time running downward: vertical lines "
        "are what is always at one frequency; bursts that come at any time blur into columns. Below, where "
        "in the band its windows come from (bars), beside all windows (line). A cluster whose bars "
        "stand in one segment only is perhaps that segment's; one that follows the line is found everywhere."
    )
    return report_figure(PORTRAITS, draw_portraits(portraits, study.measured.pixel, names), caption, arrays)


def _portrait(study: ClusterStudy, cluster: ClusterFacts, names: Mapping[int, str]) -> ReportFigure:
    portrait = cluster.portrait
    arrays: dict[str, NDArray[Any]] = {
        "mean_db": portrait.mean_db,
        "level_db": portrait.level_db,
        "segments": portrait.origins.segments,
        "hours": portrait.origins.hours,
    }
    if portrait.typical_db is not None:
        arrays["typical_db"] = portrait.typical_db
    caption = (
        "What it looks like and where it comes from. Compare the average with the typical window: what is in "
        "the one only as a faint column is in the other as a burst. Where the 99 % line (red) stands high "
        "above the median (dark), something comes there once in a while; where they run together, "
        "always. Bars that stand above the grey line are where, and when, this cluster is more frequent "
        "than windows in general."
    )
    drawn = draw_portrait(portrait, study.measured.pixel, study.measured.middles_hz, names)
    return report_figure(portrait_name(cluster.number), drawn, caption, arrays)


def _attribution(study: ClusterStudy, cluster: ClusterFacts) -> ReportFigure:
    indices = [example.index for example in cluster.examples]
    values = study.assigned.windows.values[indices].astype(np.float32)
    windows: Float32 = np.concatenate([cluster.average[None], values])
    maps: Float32 = np.stack([cluster.attribution, *(each.attribution for each in cluster.examples)])
    titles = [
        f"average of {cluster.attributed} windows",
        *(
            f"window {letter}: {example.chosen_as}"
            for letter, example in zip(LETTERS, cluster.examples, strict=False)
        ),
    ]
    caption = (
        "Where the encoder looks (guided backpropagation). Left the spectrogram, right its map: red is where "
        "more power would make the window more typical of the cluster, blue less. Red should lie on the "
        "signal; if it lies on noise only, distrust the cluster. A map does not "
        "say why it is this cluster and no other: for that there are the rules."
    )
    arrays = {"windows": windows, "maps": maps, "window_numbers": np.array(indices, dtype=np.int64)}
    drawn = draw_attributions(windows, maps, titles, study.measured.pixel)
    return report_figure(attribution_name(cluster.number), drawn, caption, arrays)


def _called(number: int, names: Mapping[int, str]) -> str:
    name = shortened(names.get(number, ""), _MOST_NAME)
    return f"cluster {number}: {name}" if name else f"cluster {number}"
