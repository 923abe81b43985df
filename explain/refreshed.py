"""An explanation as a folder: facts, arrays and figures, there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..models.tensor_file import write_tensors
from ..pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB
from .attribution_figures import draw_attributions
from .portrait_figures import draw_portraits
from .published import FACTS, plain, publish_folder
from .refresh import Explanation, TreeFigures
from .said import shortened
from .tree_drawing import draw_tree

ARRAYS, TREE = "arrays.safetensors", "tree.svg"
PORTRAITS, ATTRIBUTIONS = "portraits.png", "attributions.png"
VERSION = 1
_MOST_NAME = 24  # characters, in figures


def publish(
    folder: Path,
    explanation: Explanation,
    about: Mapping[str, Any],
    made_ns: int,
    names: Mapping[int, str] | None = None,
) -> Path:
    """Write an explanation into a new folder below `folder` (`publish_folder`); returns its path.

    `about` are facts of the asker's for the JSON, `names` what people call clusters, by their number. OSError
    as the system gives it.
    """
    facts = {**about, "made_ns": made_ns}
    return publish_folder(folder, lambda part: _write(part, explanation, facts, names or {}), made_ns)


def _write(
    folder: Path, explanation: Explanation, about: Mapping[str, Any], names: Mapping[int, str]
) -> None:
    facts = {"version": VERSION, **about, **_facts(explanation, names)}
    (folder / FACTS).write_text(json.dumps(plain(facts), indent=1, allow_nan=False))
    write_tensors(folder / ARRAYS, _arrays(explanation))
    (folder / TREE).write_text(draw_tree(explanation.tree, cluster_names=_cluster_names(explanation, names)))
    _save(draw_portraits(explanation.portraits, explanation.pixel, names), folder / PORTRAITS)
    span_db = BELOW_FLOOR_DB + ABOVE_FLOOR_DB
    averages = [(portrait.mean_db + BELOW_FLOOR_DB) / span_db for portrait in explanation.portraits]
    titles = [
        # A name is text: matplotlib would take what stands between dollars for mathematics.
        f"{_called(portrait.cluster, names)}: average, and mean map of {count} windows".replace("$", r"\$")
        for portrait, count in zip(explanation.portraits, explanation.attributed, strict=True)
    ]
    _save(
        draw_attributions(
            np.stack(averages).astype(np.float32), explanation.attributions, titles, explanation.pixel
        ),
        folder / ATTRIBUTIONS,
    )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path)


def _cluster_names(explanation: Explanation, names: Mapping[int, str]) -> dict[int, str]:
    """Leaves go by rows of the centres, people by cluster numbers."""
    return {index: _called(number, names) for index, number in enumerate(explanation.numbers)}


def _called(number: int, names: Mapping[int, str]) -> str:
    name = shortened(names.get(number, ""), _MOST_NAME)
    return f"cluster {number}" + (f": {name}" if name else "")


def _facts(explanation: Explanation, names: Mapping[int, str]) -> dict[str, Any]:
    tree = explanation.tree
    return {
        "model": explanation.model,
        "windows": explanation.windows,
        "first_ns": explanation.first_ns,
        "last_ns": explanation.last_ns,
        "relabelled_ratio": explanation.relabelled,
        "seconds": explanation.seconds,
        "tree": {
            **_tree_facts(explanation.tree_figures),
            "weighted_depth": tree.weighted_depth_,
            "nodes": [
                {
                    "depth": node.depth,
                    "samples": node.samples,
                    "misassigned": node.misassigned,
                    "cluster": explanation.numbers[node.centre],
                }
                if node.is_leaf
                else {
                    "depth": node.depth,
                    "samples": node.samples,
                    "misassigned": node.misassigned,
                    "near": explanation.numbers[node.near],
                    "far": explanation.numbers[node.far],
                    "left": node.left,
                    "right": node.right,
                }
                for node in tree.nodes_
            ],
        },
        "paper_tree": _tree_facts(explanation.paper_figures),
        "measure_tree": {
            "depth": explanation.measures.depth_,
            "leaves": explanation.measures.n_leaves_,
            "fidelity_training": explanation.measures_fidelity,
        },
        "clusters": [
            {
                "cluster": portrait.cluster,
                "name": names.get(portrait.cluster),
                "windows": portrait.windows,
                "attributed_windows": count,
                "sentence": words.sentence,
                "distinction": words.distinction,
                "rule": explanation.measures.rule_words(portrait.cluster),
            }
            for portrait, words, count in zip(
                explanation.portraits, explanation.words, explanation.attributed, strict=True
            )
        ],
    }


def _tree_facts(figures: TreeFigures) -> dict[str, Any]:
    return {
        "depth": figures.depth,
        "leaves": figures.leaves,
        "fidelity_training": figures.fidelity,
        "fidelity": figures.held_out,
    }


def _arrays(explanation: Explanation) -> dict[str, NDArray[Any]]:
    portraits = explanation.portraits
    found: dict[str, NDArray[Any]] = {
        "clusters": np.array([portrait.cluster for portrait in portraits], np.int64),
        "mean_db": np.stack([portrait.mean_db for portrait in portraits]),
        "level_db": np.stack([portrait.level_db for portrait in portraits]),
        "segments": np.stack([portrait.origins.segments for portrait in portraits]),
        "hours": np.stack([portrait.origins.hours for portrait in portraits]),
        "all_segments": portraits[0].origins.all_segments,
        "all_hours": portraits[0].origins.all_hours,
        "attributions": explanation.attributions,
    }
    typical = [portrait.typical_db for portrait in portraits if portrait.typical_db is not None]
    if len(typical) == len(portraits):
        found["typical_db"] = np.stack(typical)
    return found
