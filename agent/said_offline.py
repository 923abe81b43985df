"""What people have said of a band's clusters, for a report that no agent has a part in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..explain.said import Said
from .words_book import Book, Place, in_effect, in_words

if TYPE_CHECKING:
    from ..explain.cluster_study import ClusterStudy


def said_of(book: Book, bundle: str, study: ClusterStudy, now: datetime) -> Said:
    """Names and mutes that hold for the study's model, made with the bundle of this hash.

    They hold as they would for an agent. A model that was fitted for the report has numbers of its own:
    nothing was said of them.
    """
    if study.model_from == "these windows":
        return Said()
    place = (bundle, study.geometry.node, study.geometry.band)
    model = study.model.name
    return Said(
        names=names_of(book, place, model),
        mutes={
            each.cluster: in_words(each)
            for each in book.clusters
            if book.holds(each, place, model) and in_effect(each, now)
        },
    )


def names_of(book: Book, place: Place, model: str) -> dict[int, str]:
    """What the clusters of a model are called, by their number."""
    return {each.cluster: each.name for each in book.names if book.holds(each, place, model)}


def resting(book: Book, study: ClusterStudy, said: Said) -> int:
    """How many names of the band hold for other models only."""
    at = (study.geometry.node, study.geometry.band)
    return sum((each.node, each.band) == at for each in book.names) - len(said.names)
