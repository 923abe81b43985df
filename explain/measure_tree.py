"""A tree over what people can measure, whose rules read directly: `longest burst more than 1.2 s`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from ..models.halves import first_half, stretches
from ..models.window_features import FEATURES, Feature
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .amounts import exactly, percent
from .plain_names import PixelSize, plain_name
from .shallow_tree import Condition

MOST_DEPTH = 6
FEWEST_WINDOWS = 5
_MOST_FIGURES = 7

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """A leaf: all `conditions` hold. Of the `windows` fitted that came there, `right` are of `cluster`, which
    had `cluster_windows` in all."""

    cluster: int
    conditions: tuple[Condition, ...]
    windows: int
    right: int
    cluster_windows: int


@dataclass(frozen=True, slots=True)
class TreeFidelity:
    """Shares of windows that a tree gives their cluster: those it was fitted on, and those of the other half
    in time; `largest_share` is what naming always the largest cluster would get. Of the tree of all
    windows, `leaves` and `depth`."""

    training: float
    held_out: float
    largest_share: float
    leaves: int
    depth: int


class MeasureTree:
    """A CART (Breiman et al. 1984, Gini impurity) from hand-made features to clusters.

    At most `most_leaves` leaves (by default twice the clusters), `most_depth` cuts deep, at least five
    windows a leaf. Thresholds are rounded to as few figures, in Hz, s, dB or %, as costs no window of those
    fitted.

    After `fit`: `depth_`, `n_leaves_`, `classes_` (cluster numbers, ascending).
    """

    depth_: int
    n_leaves_: int
    classes_: Int64

    def __init__(self, most_leaves: int | None = None, most_depth: int = MOST_DEPTH) -> None:
        self.most_leaves, self.most_depth = most_leaves, most_depth

    def fit(self, features: Float32, clusters: Int64, pixel: PixelSize) -> MeasureTree:
        """Features [n, f] as `window_features` gives them, clusters int64 [n]; pixel: what a threshold is in.

        Raises BadInput where there are no windows, lengths differ or features are not finite.
        """
        known, clusters = _checked(features), np.asarray(clusters)
        if len(known) != len(clusters) or not len(clusters):
            raise BadInput(f"measure tree: {len(known)} windows with {len(clusters)} clusters, needs as many")
        self._pixel = pixel
        leaves = self.most_leaves or 2 * len(np.unique(clusters))
        grown: Any = DecisionTreeClassifier(
            max_leaf_nodes=max(leaves, 2),
            max_depth=self.most_depth,
            min_samples_leaf=min(FEWEST_WINDOWS, max(1, len(clusters) // 2)),
            random_state=0,  # ties between features
        ).fit(known, clusters)
        nodes = grown.tree_
        self.classes_ = grown.classes_.astype(np.int64)
        self._left, self._right = nodes.children_left.astype(np.int64), nodes.children_right.astype(np.int64)
        self._feature = nodes.feature.astype(np.int64)
        self._threshold = nodes.threshold.astype(np.float64)
        self._label = self.classes_[nodes.value[:, 0].argmax(axis=1)]
        self.depth_, self.n_leaves_ = int(grown.get_depth()), int(grown.get_n_leaves())
        self._round(known, clusters)
        self._count(known, clusters)
        return self

    def predict(self, features: Float32) -> Int64:
        """The cluster of each window, int64 [n]."""
        return self._label[self._leaves(_checked(features))]

    def fidelity(self, features: Float32, clusters: Int64) -> float:
        """The share of windows whose cluster the tree gives."""
        return float((self.predict(features) == clusters).mean())

    def path(self, features: Float32) -> tuple[Condition, ...]:
        """What made one window, [f], come to its leaf: a condition a feature, in the order of the cuts."""
        return self._conditions(int(self._leaves(_checked(features[None]))[0]))

    def path_words(self, features: Float32) -> str:
        """The same in words, with the window's own values: `longest burst more than 1.2 s (here 3.1 s)`."""
        said: list[str] = []
        for condition in self.path(features):
            here = self._pixel.text(FEATURES[condition.feature], float(features[condition.feature]))
            said.append(f"{self.condition_words(condition)} (here {here})")
        return " and ".join(said) or "all windows are"

    def rules(self, cluster: int) -> tuple[Rule, ...]:
        """The leaves that say `cluster`, the one with most of its windows first; none where no leaf does."""
        leaves = np.flatnonzero((self._left < 0) & (self._label == cluster))
        found = [
            Rule(
                cluster,
                self._conditions(int(leaf)),
                int(self._windows[leaf]),
                int(self._own[leaf]),
                self._sizes.get(cluster, 0),
            )
            for leaf in leaves
        ]
        return tuple(sorted(found, key=lambda rule: -rule.right))

    def rule_words(self, cluster: int) -> str:
        """The cluster's main rule as a sentence, with how far it holds."""
        rules = self.rules(cluster)
        if not rules:
            return f"No rule of measures tells cluster {cluster} from the others."
        main = rules[0]
        said = " and ".join(map(self.condition_words, main.conditions)) or "any window"
        precision, reach = main.right / max(main.windows, 1), main.right / max(main.cluster_windows, 1)
        held = f"{percent(precision)} of the windows for which this holds are of cluster {cluster}"
        among = f"{percent(reach)} of its windows are among them"
        others = len(rules) - 1
        more = (
            f"; {others} more {'rule gives' if others == 1 else 'rules give'} the cluster" if others else ""
        )
        return f"{said[:1].upper()}{said[1:]}: {held}; {among}{more}."

    def condition_words(self, condition: Condition) -> str:
        """`occupied bandwidth at most 40 kHz`, `usual pause more than 2 s and at most 6 s`."""
        feature = FEATURES[condition.feature]
        parts = [plain_name(feature)]
        if math.isfinite(condition.above):
            parts.append(f"more than {self._text(feature, condition.above)}")
        if math.isfinite(condition.at_most):
            parts.append(
                ("and " if len(parts) > 1 else "") + f"at most {self._text(feature, condition.at_most)}"
            )
        return " ".join(parts)

    def _text(self, feature: Feature, threshold: float) -> str:
        value, unit = self._pixel.physical(feature, threshold)
        return exactly(value, unit)

    def _leaves(self, features: Float64) -> Int64:
        """The leaf that each window comes to, [n]."""
        place = np.zeros(len(features), dtype=np.int64)
        for _ in range(self.depth_):
            cuts = self._left[place] >= 0
            goes_left = (
                features[np.arange(len(place)), np.maximum(self._feature[place], 0)] <= self._threshold[place]
            )
            place = np.where(cuts, np.where(goes_left, self._left[place], self._right[place]), place)
        return place

    def _conditions(self, leaf: int) -> tuple[Condition, ...]:
        met: dict[int, Condition] = {}
        for node, goes_left in self._way(leaf):
            feature, threshold = int(self._feature[node]), float(self._threshold[node])
            known = met.get(feature, Condition(feature))
            met[feature] = (
                Condition(feature, known.above, min(known.at_most, threshold))
                if goes_left
                else Condition(feature, max(known.above, threshold), known.at_most)
            )
        return tuple(met.values())

    def _way(self, leaf: int) -> list[tuple[int, bool]]:
        """The cuts from the root to a leaf and which side was taken."""
        way: list[tuple[int, bool]] = []
        place = leaf
        while place != 0:
            goes_left = bool((self._left == place).any())
            place = int(np.flatnonzero((self._left if goes_left else self._right) == place)[0])
            way.append((place, goes_left))
        return way[::-1]

    def _round(self, features: Float64, clusters: Int64) -> None:
        """Each threshold, the root's first, to as few figures as leave no more windows wrong than before."""
        right = int((self._label[self._leaves(features)] == clusters).sum())
        for node in np.flatnonzero(self._left >= 0):
            feature, exact = FEATURES[int(self._feature[node])], float(self._threshold[node])
            one = self._pixel.physical(feature, 1.0)[0]
            for figures in range(_MOST_FIGURES + 1):
                self._threshold[node] = _to_figures(exact * one, figures) / one
                now = int((self._label[self._leaves(features)] == clusters).sum())
                if now >= right:
                    right = now
                    break
            else:
                self._threshold[node] = exact

    def _count(self, features: Float64, clusters: Int64) -> None:
        leaves = self._leaves(features)
        nodes = len(self._left)
        self._windows = np.bincount(leaves, minlength=nodes)
        self._own = np.bincount(leaves[self._label[leaves] == clusters], minlength=nodes)
        numbers, sizes = np.unique(clusters, return_counts=True)
        self._sizes = dict(zip(numbers.tolist(), sizes.tolist(), strict=True))


def tree_fidelity(
    features: Float32,
    clusters: Int64,
    start_ns: Int64,
    pixel: PixelSize,
    *,
    recording: Int64 | None = None,
    seed: int = 0,
    most_leaves: int | None = None,
) -> TreeFidelity:
    """How well a measure tree tells clusters, on its own windows and on others.

    Held out: trees of either half name the other (`models/halves.py`: stretches of time, or whole recordings
    where there are enough). Raises BadInput where all windows are of one moment, so that there are no halves.
    """
    where = np.zeros(len(clusters), dtype=np.int64) if recording is None else recording
    is_first = first_half(stretches(where, start_ns, None), None, seed)
    if is_first.all() or not is_first.any():
        raise BadInput("measure tree: all windows begin at one moment, held-out windows need two at least")
    whole = MeasureTree(most_leaves).fit(features, clusters, pixel)
    right = 0
    for half in (is_first, ~is_first):
        tree = MeasureTree(most_leaves or 2 * len(np.unique(clusters))).fit(
            features[half], clusters[half], pixel
        )
        right += int((tree.predict(features[~half]) == clusters[~half]).sum())
    return TreeFidelity(
        training=whole.fidelity(features, clusters),
        held_out=right / len(clusters),
        largest_share=float(np.unique(clusters, return_counts=True)[1].max() / len(clusters)),
        leaves=whole.n_leaves_,
        depth=whole.depth_,
    )


def _to_figures(value: float, figures: int) -> float:
    """Rounded to so many significant figures; 0 with none."""
    if value == 0 or figures == 0:
        return 0.0
    return float(f"{value:.{figures - 1}e}")


def _checked(features: NDArray[np.floating[Any]]) -> Float64:
    if features.ndim != 2 or features.shape[1] != len(FEATURES):
        raise BadInput(f"measure tree: features of shape {list(features.shape)}, needs [n, {len(FEATURES)}]")
    if not np.isfinite(features).all():
        raise BadInput("measure tree: features hold NaN or infinity, they must be finite")
    return features.astype(np.float32).astype(np.float64)
