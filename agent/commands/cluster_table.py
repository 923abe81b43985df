"""What `bandwatch evaluate clusters` found, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from ...models.cluster_evaluation import ClusterEvaluation

COLUMNS = (
    ("NMI", "nmi"),
    ("by chance", "chance.nmi"),
    ("AMI", "ami"),
    ("ARI", "ari"),
    ("purity", "purity"),
    ("kNN", "knn_accuracy"),
    ("ceiling", "ceiling_clustered.nmi"),
    ("labels", "ceiling.nmi"),
    ("silhouette", "silhouette"),
    ("seeds", "stability_seeds"),
    ("halves", "stability_halves"),
    ("NMI segment", "nmi_segment"),
)


def tell_clusters(evaluation: ClusterEvaluation, truth_kind: str | None) -> None:
    """Print what was found: the data, a line for each model, and how many clusters to ask for."""
    data, settings = evaluation.data, evaluation.settings
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"{data['windows']} windows of {data['windows_given']}, {settings['clusters']} clusters, "
        f"medians of {settings['seeds']} seeds"
    )
    if truth_kind is not None:
        console.print(
            f"{len(data['truths'])} kinds by the {truth_kind}, the largest "
            f"{100 * data['largest_share']:.0f} % of {data['windows_with_truth']} windows; "
            f"NMI of truth and segment {_shown(data['nmi_truth_segment']) or 'not defined'}"
        )
    models = evaluation.models
    columns = [each for each in COLUMNS if any(_of(model, each[1]) is not None for model in models.values())]
    table = Table()
    table.add_column("")
    for title, _ in columns:
        table.add_column(title, justify="right")
    for name, figures in models.items():
        table.add_row(name, *(_shown(_of(figures, key)) for _, key in columns))
    Console(width=140, highlight=False).print(table)
    console.print(evaluation.choice_of_k["words"])


def _of(figures: dict[str, Any], key: str) -> Any:
    found: Any = figures
    for level in key.split("."):
        found = found.get(level) if isinstance(found, dict) else None
    return found


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
