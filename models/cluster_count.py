"""How many clusters: figures for each number, and what they recommend in a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..pipeline.frames import Float32, Int64
from .cluster_figures import Bools, agreement, silhouette, stability_between_halves
from .clustering import fit_centres, fit_projection

COUNTS = (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 28, 32, 36, 40)
STABLE_SHARE = 0.9
CLOSE_SILHOUETTE = 0.02
SURELY, ROUGHLY = 0.8, 0.5


@dataclass(frozen=True, slots=True)
class CountFigures:
    """What k-means with `clusters` centres comes to. `nmi` and `ami` where there is a truth.

    `stability` is the ARI between fits on either half, `inertia` the mean squared distance from the centre.
    """

    clusters: int
    silhouette: float
    stability: float
    inertia: float
    nmi: float | None
    ami: float | None


def count_curve(
    features: Float32,
    is_first: Bools,
    truth: Int64 | None,
    *,
    counts: Sequence[int] = COUNTS,
    components: int,
    whiten: bool,
    seed: int,
    on_count: Callable[[], None] = lambda: None,
) -> list[CountFigures]:
    """The figures for each number of clusters, those left out that a half has too few windows for (8 a
    cluster). `truth` int64 [n], -1 where it is not known."""
    points = fit_projection(features, components, whiten=whiten).points(features)
    half = min(int(is_first.sum()), int((~is_first).sum()))
    curve: list[CountFigures] = []
    for count in counts:
        if count == min(counts) or half >= 8 * count:
            centres, labels = fit_centres(points, count, seed)
            away = points - centres[labels]
            known = None if truth is None else truth >= 0
            agreed = {} if truth is None or known is None else agreement(truth[known], labels[known])
            curve.append(
                CountFigures(
                    clusters=count,
                    silhouette=silhouette(points, labels, seed),
                    stability=stability_between_halves(
                        features, is_first, clusters=count, components=components, whiten=whiten, seed=seed
                    ),
                    inertia=float((away * away).sum(axis=1).mean()),
                    nmi=agreed.get("nmi"),
                    ami=agreed.get("ami"),
                )
            )
        on_count()
    return curve


def recommended(curve: Sequence[CountFigures]) -> CountFigures | None:
    """Of the numbers at which clusters come back (stability at least 0.9 of the best), the one of the highest
    silhouette; of those within 0.02 of it the most stable. None where nothing could be measured."""
    measured = [each for each in curve if math.isfinite(each.silhouette) and math.isfinite(each.stability)]
    if not measured:
        return None
    best = max(each.stability for each in measured)
    stable = [each for each in measured if each.stability >= STABLE_SHARE * best] or measured
    highest = max(each.silhouette for each in stable)
    return max(
        (each for each in stable if each.silhouette >= highest - CLOSE_SILHOUETTE),
        key=lambda each: each.stability,
    )


def recommendation(curve: Sequence[CountFigures], default: int) -> str:
    """The same in plain words, with what the default would be beside it."""
    chosen = recommended(curve)
    if chosen is None:
        return "No number of clusters can be recommended: too few windows to measure any."
    words = (
        f"{chosen.clusters} clusters: fitted on the other half of the windows they "
        f"{_again(chosen.stability)} "
        f"(stability {chosen.stability:.2f}), and of the numbers that do as well they are the best separated "
        f"(silhouette {chosen.silhouette:.2f})."
    )
    if chosen.stability < ROUGHLY:
        words += " Whatever the number, clusters of these windows are somewhat arbitrary."
    usual = next((each for each in curve if each.clusters == default), None)
    if usual is not None and usual.clusters != chosen.clusters:
        words += (
            f" The default, {default}, has {usual.stability:.2f} and {usual.silhouette:.2f}:"
            f" {'finer' if default > chosen.clusters else 'coarser'}, and"
            f" {'less' if usual.stability < chosen.stability else 'no less'} sure to come back."
        )
    known = [each for each in curve if each.ami is not None]
    if known:
        nearest = max(known, key=lambda each: each.ami or 0.0)
        words += f" Nearest to the truth are {nearest.clusters} (AMI {nearest.ami:.2f})."
    return words


def _again(stability: float) -> str:
    if stability >= SURELY:
        return "come back"
    return "come back roughly" if stability >= ROUGHLY else "do not come back"
