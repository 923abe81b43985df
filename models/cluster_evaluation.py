"""Every representation of the same windows clustered the same way, and the figures of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32, Int64
from .cluster_count import COUNTS, count_curve, recommendation, recommended
from .cluster_figures import (
    PERMUTATIONS,
    Bools,
    Figures,
    agreement,
    chance,
    neighbour_accuracy,
    silhouette,
    stability,
    stability_between_halves,
)
from .clustering import fit_centres, fit_projection
from .evaluated_windows import EvaluatedWindows
from .halves import first_half, stretches
from .known_truth import KnownTruth, facts_of, known_truth, nmi_if_many, plain
from .representations import Representation
from .supervised import clustered_ceiling, predicted_ceiling, probabilities_of_halves

FEWEST_WINDOWS = 16
WINDOWS_A_CLUSTER = 8
EXPLAINED_SHARE = 0.85
_WHOLE = ("clusters", "components", "components_85", "depth", "leaves")


TellTree = Callable[[Float32, Float32, Int64, Bools | None], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How to cluster and score: `seeds` seeds from `seed` on, whose medians are the figures."""

    clusters: int = 24
    components: int = 20
    seed: int = 0
    seeds: int = 3
    counts: tuple[int, ...] = COUNTS
    permutations: int = PERMUTATIONS


@dataclass(frozen=True, slots=True, eq=False)
class ClusterEvaluation:
    """`models` are figures by name; `labels` int64 [n] the first seed's clusters of the primary
    representation; `data` and `choice_of_k` are facts for the report, which `record` puts together."""

    primary: str
    models: dict[str, dict[str, Any]]
    labels: Int64
    data: dict[str, Any]
    choice_of_k: dict[str, Any]
    settings: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """What `--json` writes: plain values, what could not be measured as None."""
        return {
            "kind": "clusters",
            "version": 1,
            "primary": self.primary,
            "models": self.models,
            "data": self.data,
            "settings": self.settings,
            "choice_of_k": self.choice_of_k,
        }


def evaluate_clusters(
    windows: EvaluatedWindows,
    representations: Sequence[Representation],
    primary: str,
    config: EvaluationConfig | None = None,
    *,
    tell_tree: TellTree = lambda *_: {},
    on_step: Callable[[str], None] = lambda _: None,
) -> ClusterEvaluation:
    """Figures of each representation's clusters, medians over the seeds (`docs/evaluate.md` defines them).

    At most one cluster for every eight windows, as band models have. `tell_tree` gives the figures of a tree
    over points [n, c], from centres [k, c], labels [n] and which windows are the first half, [n] or None;
    they stand under `tree`. `on_step` hears what comes next, once for each of `steps`. Raises BadInput for
    fewer than 16 windows, and where a truth was given and not one window has it.
    """
    config = config or EvaluationConfig()
    if len(windows) < FEWEST_WINDOWS:
        raise BadInput(f"--data: {len(windows)} windows; limit: at least {FEWEST_WINDOWS}")
    known = known_truth(windows)
    truth = None if known is None else known.codes
    stretch = stretches(windows.recording, windows.start_ns, truth)
    wanted = min(config.clusters, max(2, len(windows) // WINDOWS_A_CLUSTER))
    models: dict[str, dict[str, Any]] = {}
    primary_labels = np.zeros(0, dtype=np.int64)
    for representation in representations:
        found: list[Figures] = []
        labellings: list[Int64] = []
        for seed in range(config.seed, config.seed + config.seeds):
            on_step(f"{representation.name}, seed {seed}")
            is_first = _halves(stretch, truth, seed)
            features = representation.features(seed)
            labels, figures = _figures(
                windows, features, representation, known, is_first, wanted, seed, config, tell_tree
            )
            labellings.append(labels)
            found.append(figures)
        merged = {name: _median([each[name] for each in found]) for name in found[0]}
        merged["stability_seeds"] = stability(labellings)
        if "nmi" in merged:
            merged["nmi_least"] = min(each["nmi"] for each in found)
            merged["nmi_most"] = max(each["nmi"] for each in found)
        models[representation.name] = _nested(merged)
        if representation.name == primary:
            primary_labels = labellings[0]
    if "ceiling" in models[primary]:
        labelled = {name: dict(models[primary][name]) for name in ("ceiling_clustered", "ceiling")}
        for figures in labelled.values():
            del figures["share"]
        models["supervised"] = labelled["ceiling_clustered"] | {"predicted": labelled["ceiling"]}
    on_step("choice of k")
    return ClusterEvaluation(
        primary=primary,
        models=models,
        labels=primary_labels,
        data=facts_of(windows, known, int(stretch.max()) + 1),
        choice_of_k=_choice(
            next(each for each in representations if each.name == primary), stretch, truth, config
        ),
        settings=asdict(config) | {"clusters": wanted, "counts": list(config.counts)},
    )


def steps(representations: Sequence[Representation], config: EvaluationConfig) -> int:
    """How often `on_step` is called."""
    return len(representations) * config.seeds + 1


def _figures(
    windows: EvaluatedWindows,
    features: Float32,
    representation: Representation,
    known: KnownTruth | None,
    is_first: Bools | None,
    clusters: int,
    seed: int,
    config: EvaluationConfig,
    tell_tree: TellTree,
) -> tuple[Int64, Figures]:
    """The clusters of one seed, and their figures by name; dots in names are levels of the report."""
    whiten = representation.whiten
    projection = fit_projection(features, config.components, whiten=whiten)
    points = projection.points(features)
    centres, labels = fit_centres(points, clusters, seed)
    figures: Figures = {}
    if known is not None:
        figures |= _against_truth(features, points, labels, known, is_first, clusters, seed, config)
    figures |= {
        "silhouette": silhouette(points, labels, seed),
        "stability_halves": math.nan
        if is_first is None
        else stability_between_halves(
            features, is_first, clusters=clusters, components=config.components, whiten=whiten, seed=seed
        ),
        "nmi_segment": nmi_if_many(windows.segment, labels),
        "nmi_recording": nmi_if_many(windows.recording, labels),
        "clusters": float(len(centres)),
        "pca.components": float(projection.component_count),
        "pca.variance_kept": float(projection.variance_ratio.sum()) if representation.complete else math.nan,
        "pca.components_85": _components_for(EXPLAINED_SHARE, features)
        if representation.complete
        else math.nan,
    }
    told = tell_tree(points, centres, labels, is_first)
    return labels, figures | {f"tree.{name}": value for name, value in told.items()}


def _against_truth(
    features: Float32,
    points: Float32,
    labels: Int64,
    known: KnownTruth,
    is_first: Bools | None,
    clusters: int,
    seed: int,
    config: EvaluationConfig,
) -> Figures:
    asked = known.is_known
    truth = known.codes[asked]
    found = agreement(truth, labels[asked])
    found |= {
        f"chance.{name}": value
        for name, value in chance(truth, labels[asked], seed, config.permutations).items()
    }
    single = asked & known.is_single
    if single.any():
        for name, value in agreement(known.codes[single], labels[single]).items():
            found[f"single.{name}"] = value
    halves = None if is_first is None else is_first[asked]
    if halves is None or halves.all() or not halves.any():
        return found
    found["knn_accuracy"] = neighbour_accuracy(points[asked], truth, halves)
    probable = probabilities_of_halves(features[asked], truth, halves)
    mixed = probabilities_of_halves(features[asked], truth, _mixed_halves(len(truth), seed))
    ceilings = {
        "ceiling": predicted_ceiling(truth, probable),
        "ceiling_clustered": clustered_ceiling(
            truth, probable, clusters=clusters, components=config.components, seed=seed
        ),
        "ceiling_mixed": predicted_ceiling(truth, mixed),
    }
    for name, figures in ceilings.items():
        found |= {f"{name}.{figure}": value for figure, value in figures.items()}
        found[f"{name}.share"] = found["nmi"] / figures["nmi"] if figures["nmi"] > 0 else math.nan
    return found


def _mixed_halves(count: int, seed: int) -> Bools:
    """Half of the windows, drawn one by one: neighbours in time fall into both."""
    return np.random.default_rng(seed).permutation(count) % 2 == 0


def _choice(
    representation: Representation, stretch: Int64, truth: Int64 | None, config: EvaluationConfig
) -> dict[str, Any]:
    is_first = _halves(stretch, truth, config.seed)
    if is_first is None:
        words = recommendation([], config.clusters)
        return {"model": representation.name, "recommended": None, "words": words, "curve": []}
    curve = count_curve(
        representation.features(config.seed),
        is_first,
        truth,
        counts=config.counts,
        components=config.components,
        whiten=representation.whiten,
        seed=config.seed,
    )
    chosen = recommended(curve)
    return {
        "model": representation.name,
        "recommended": None if chosen is None else chosen.clusters,
        "words": recommendation(curve, config.clusters),
        "curve": [{name: plain(value) for name, value in asdict(each).items()} for each in curve],
    }


def _halves(stretch: Int64, truth: Int64 | None, seed: int) -> Bools | None:
    """Which windows are in the first half; None where a half would be too small to fit anything on."""
    is_first = first_half(stretch, truth, seed)
    count = int(is_first.sum())
    return is_first if min(count, len(is_first) - count) >= FEWEST_WINDOWS // 2 else None


def _components_for(share: float, features: Float32) -> float:
    """How many principal components explain that share of the features' variance."""
    ratios = fit_projection(features, features.shape[1], whiten=False).variance_ratio.astype(np.float64)
    reached = np.flatnonzero(np.cumsum(ratios) >= share)
    return float(reached[0] + 1) if reached.size else math.nan


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else math.nan


def _nested(figures: Mapping[str, float]) -> dict[str, Any]:
    """`chance.nmi` becomes `chance: {nmi: ...}`; whole numbers are whole."""
    found: dict[str, Any] = {}
    for name, value in figures.items():
        *levels, last = name.split(".")
        level = found
        for each in levels:
            level = level.setdefault(each, {})
        is_whole = last in _WHOLE and math.isfinite(value)
        level[last] = round(value) if is_whole else plain(value)
    return found
