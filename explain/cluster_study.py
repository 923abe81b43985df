"""The study of a band's clusters: what `bandwatch explain clusters` reports, from recorded windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..models.activity import BandModel
from ..models.band_fitting import MOST_CLUSTERS, MOST_COMPONENTS, WINDOWS_A_CLUSTER, fit_band_model
from ..models.bundle import ENCODER_FILE, Bundle
from ..models.encoder import encoder_with
from ..models.encoder_weights import read_weights
from ..models.evaluated_windows import EvaluatedWindows
from ..models.geometry import Geometry
from ..models.window_features import window_features
from ..pipeline.errors import BadInput
from ..pipeline.frames import Float32
from .cluster_facts import Assigned, ClusterFacts, facts_of_clusters
from .cluster_scores import DistanceScores
from .guided_backprop import GuidedBackprop
from .leaf_changes import LeafChanges, leaf_changes
from .pca_study import PcaStudy, study_components
from .study_trees import StudyTrees, study_trees
from .typical import MeasuredWindows, measured_windows

FEWEST_WINDOWS = 16
MOST_MAPPED = 2048
ModelFrom = Literal["agent", "bundle", "these windows"]
STEPS = ("encoding", "measuring", "growing trees", "growing trees again", "mapping", "explaining clusters")


@dataclass(frozen=True, slots=True, eq=False)
class ClusterStudy:
    """The clusters of one band's windows. `clusters` are those that have windows, by number."""

    geometry: Geometry
    assigned: Assigned
    measured: MeasuredWindows
    model: BandModel
    model_from: ModelFrom
    trees: StudyTrees
    changes: LeafChanges
    components: PcaStudy
    clusters: tuple[ClusterFacts, ...]


def study_clusters(
    windows: EvaluatedWindows,
    geometry: Geometry,
    row_seconds: float,
    bundle: Bundle,
    *,
    agents_model: BandModel | None = None,
    seed: int = 0,
    stride_rows: int = 128,
    on_step: Callable[[str], None] = lambda _: None,
    on_cluster: Callable[[int], None] = lambda _: None,
) -> ClusterStudy:
    """Study the windows of one band, whose rows last `row_seconds`, by a bundle's encoder.

    The band model is `agents_model`, made with this bundle, where that was measured alike; else the bundle's
    where it has one for this band that was; else one that is fitted on these windows. The same seed gives
    the same study. `on_step` hears each of `STEPS`, `on_cluster` each cluster as it begins. Raises BadInput
    for fewer than 16 windows.
    """
    name = f"{geometry.node}/{geometry.band}"
    if len(windows) < FEWEST_WINDOWS:
        raise BadInput(
            f"{name}: {len(windows)} windows, a report needs at least {FEWEST_WINDOWS}; "
            "a longer recording or a smaller stride gives more"
        )
    on_step(STEPS[0])
    features = np.concatenate([bundle.embed(batch) for batch in windows.batches()])
    model, model_from = _known_model(bundle, geometry, agents_model)
    if model is None:
        model = fit_band_model(
            features,
            geometry,
            whiten=bundle.manifest.whitens,
            seed=seed,
            stride_rows=stride_rows,
            heard=windows.given,
        )
    assigned = Assigned(windows, model.points(features), *model.assign(features))
    on_step(STEPS[1])
    by_hand = np.concatenate([window_features(batch) for batch in windows.batches()])
    measured = measured_windows(
        by_hand, assigned.clusters, windows.segment, windows.start_ns, geometry, row_seconds
    )
    on_step(STEPS[2])
    trees = study_trees(assigned.points, model, measured, windows, seed)
    on_step(STEPS[3])
    changes = leaf_changes(
        features,
        clusters=min(MOST_CLUSTERS, max(2, len(windows) // WINDOWS_A_CLUSTER)),
        components=MOST_COMPONENTS,
        whiten=bundle.manifest.whitens,
        seed=seed,
    )
    on_step(STEPS[4])
    components = _components(features, model, assigned, seed)
    on_step(STEPS[5])
    return ClusterStudy(
        geometry=geometry,
        assigned=assigned,
        measured=measured,
        model=model,
        model_from=model_from,
        trees=trees,
        changes=changes,
        components=components,
        clusters=facts_of_clusters(
            assigned,
            measured,
            model,
            trees,
            _explainer(bundle, model),
            seed=seed,
            on_cluster=on_cluster,
        ),
    )


def _known_model(
    bundle: Bundle, geometry: Geometry, agents_model: BandModel | None
) -> tuple[BandModel | None, ModelFrom]:
    if agents_model is not None and agents_model.geometry.same_measure(geometry):
        return agents_model, "agent"
    of_bundle = bundle.band_model(geometry.node, geometry.band)
    if of_bundle is not None and of_bundle.geometry.same_measure(geometry):
        return of_bundle, "bundle"
    return None, "these windows"


def _components(features: Float32, model: BandModel, assigned: Assigned, seed: int) -> PcaStudy:
    return study_components(features, model.projection, assigned.clusters, seed=seed, most=MOST_MAPPED)


def _explainer(bundle: Bundle, model: BandModel) -> GuidedBackprop:
    """Guided backpropagation of the distance from the centres; on the processor, wherever the engine is."""
    width = bundle.manifest.width
    encoder = encoder_with(read_weights(bundle.part(ENCODER_FILE), width), width)
    return GuidedBackprop(encoder, DistanceScores(model.projection, model.centres))
