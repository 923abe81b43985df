"""What a report says in numbers, as plain values for `report.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..pipeline.frames import Int64
from .centre_tree import CentreTree
from .cluster_facts import ClusterFacts
from .cluster_study import ClusterStudy
from .measure_tree import TreeFidelity
from .report_figure import plain
from .said import NOTHING_SAID, Said

EXPLAINED_SHARE = 0.85


def record_of(study: ClusterStudy, said: Said = NOTHING_SAID) -> dict[str, Any]:
    """One band's, with what people have `said` of its clusters: `tree`, `paper_tree`, `measure_tree`
    (`fidelity` is that on held-out windows), `pca`, `robustness`, `clusters`. What could not be measured is
    None."""
    components, trees = study.components, study.trees
    windows = study.assigned.windows
    return plain(
        {
            "node": study.geometry.node,
            "band": study.geometry.band,
            "windows": len(windows),
            "windows_given": windows.given,
            "model": study.model.name,
            "model_from": study.model_from,
            "tree": tree_record(trees.bisector_fidelity) | _sizes(trees.bisector),
            "paper_tree": tree_record(trees.shallow_fidelity) | _sizes(trees.shallow),
            "measure_tree": tree_record(trees.measure_fidelity),
            "largest_share": trees.bisector_fidelity.largest_share,
            "pca": {
                "components": components.components,
                "components_85": components.components_for(EXPLAINED_SHARE),
                "variance_kept": components.kept_variance,
                "trustworthiness": components.kept.trustworthiness,
                "neighbour_overlap": components.kept.neighbour_overlap,
            },
            "robustness": asdict(study.changes),
            "clusters": [_cluster(each, windows.start_ns, said) for each in study.clusters],
        }
    )


def tree_record(fidelity: TreeFidelity) -> dict[str, Any]:
    return {
        "fidelity": fidelity.held_out,
        "fidelity_training": fidelity.training,
        "depth": fidelity.depth,
        "leaves": fidelity.leaves,
    }


def _sizes(tree: CentreTree[Any]) -> dict[str, float]:
    return {"weighted_depth": tree.weighted_depth_, "explanation_size": tree.explanation_size_}


def _cluster(cluster: ClusterFacts, start_ns: Int64, said: Said) -> dict[str, Any]:
    return {
        "cluster": cluster.number,
        "name": said.names.get(cluster.number),
        "normal": said.mutes.get(cluster.number),
        "windows": cluster.portrait.windows,
        "sentence": cluster.words.sentence,
        "distinction": cluster.words.distinction,
        "facts": [asdict(fact) for fact in cluster.words.facts],
        "path": cluster.path,
        "rule": cluster.rule,
        "segments": cluster.portrait.origins.segments.tolist(),
        "hours": cluster.portrait.origins.hours.tolist(),
        "examples": [
            {
                "start_ns": int(start_ns[example.index]),
                "chosen_as": example.chosen_as,
                "words": example.words.text,
            }
            for example in cluster.examples
        ],
    }
