"""What people have said of a node's spectrum: names of clusters, what is normal here, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from ..pipeline.frames import NS_PER_S
from . import wording

MOST_ENTRIES = 1000
MOST_TEXT = 64
MOST_CLUSTER = 9999
MOST_MODELS = 32

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_TEXT)]
Number = Annotated[int, msgspec.Meta(ge=0, le=MOST_CLUSTER)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Place = tuple[str, str, str]
"""Bundle, node and band: where a cluster's number means something."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of the file; what is None is left out."""


class OfCluster(Entry, frozen=True, kw_only=True):
    """Words about a cluster. `model` is one that gives it this number; None: the one in use next."""

    bundle: str
    node: str
    band: str
    cluster: Number
    model: str | None = None

    @property
    def place(self) -> Place:
        return self.bundle, self.node, self.band

    @property
    def what(self) -> str:
        return f"cluster {self.cluster}"


class ClusterName(OfCluster, frozen=True, kw_only=True):
    """What a cluster is called."""

    name: Text


class ClusterMute(OfCluster, frozen=True, kw_only=True):
    """Windows of this cluster are normal here."""

    until: Moment | None = None
    why: Text | None = None


class RangeMute(Entry, frozen=True, kw_only=True):
    """What is heard in this range is normal here, whatever the models. `node` None: any that has the band."""

    band: str
    low_hz: float
    high_hz: float
    node: str | None = None
    until: Moment | None = None
    why: Text | None = None

    @property
    def what(self) -> str:
        return wording.frequency_range(self.low_hz, self.high_hz)


class Numbering(Entry, frozen=True, kw_only=True):
    """Models of a band, each re-fitted from the one before: they share the numbers of their clusters."""

    bundle: str
    node: str
    band: str
    models: tuple[str, ...]

    @property
    def place(self) -> Place:
        return self.bundle, self.node, self.band


Mute = RangeMute | ClusterMute
SomeOfCluster = TypeVar("SomeOfCluster", ClusterName, ClusterMute)


def utc(time_ns: int) -> datetime:
    """A moment, to the microsecond."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)


def in_effect(mute: Mute, now: datetime) -> bool:
    """Whether its time has not run out."""
    return mute.until is None or mute.until > now


def in_words(mute: Mute) -> str:
    """`868.10–868.30 MHz until 2026-12-24 18:00 UTC (the neighbour's meter)`."""
    until = f" until {mute.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if mute.until is not None else ""
    return mute.what + until + (f" ({mute.why})" if mute.why else "")


@dataclass(frozen=True, slots=True)
class Book:
    """All words of a state directory. Of a place's numberings the last one is in use."""

    names: tuple[ClusterName, ...] = ()
    ranges: tuple[RangeMute, ...] = ()
    clusters: tuple[ClusterMute, ...] = ()
    numberings: tuple[Numbering, ...] = ()

    @property
    def count(self) -> int:
        """Words that people gave."""
        return len(self.names) + len(self.ranges) + len(self.clusters)

    def newest_model(self, place: Place) -> str | None:
        """The model that was last in use there, as an agent told."""
        found = [each for each in self.numberings if each.place == place]
        return found[-1].models[-1] if found else None

    def holds(self, words: OfCluster, place: Place, model: str | None) -> bool:
        """Whether a cluster's words hold where this model is in use."""
        if words.place != place or model is None:
            return False
        numberings = (each.models for each in self.numberings if each.place == place)
        return words.model in (None, model) or any({words.model, model} <= set(each) for each in numberings)

    def of_present(self, words: tuple[SomeOfCluster, ...], place: Place, cluster: int) -> list[SomeOfCluster]:
        """Those of a cluster that hold for the newest model, or where none is known are for the next."""
        model = self.newest_model(place)
        return [
            each
            for each in words
            if each.place == place
            and each.cluster == cluster
            and (each.model is None or self.holds(each, place, model))
        ]

    def using(self, place: Place, models: Sequence[str]) -> Book:
        """The last of `models` is in use there, each re-fitted from the one before.

        Words without a model, or of one with the same numbers, are for the last one then. Numberings that
        nobody's words need are let go. Doing it again changes nothing.
        """
        joined = [
            each
            for each in self.numberings
            if each.place == place and not set(each.models).isdisjoint(models)
        ]
        older = [model for each in joined for model in each.models if model not in models]
        same = {None, *older, *models}
        names = _given_to(self.names, place, same, models[-1])
        clusters = _given_to(self.clusters, place, same, models[-1])
        needed = {(words.place, words.model) for words in (*names, *clusters)}
        others = [
            each
            for each in self.numberings
            if each not in joined
            and (
                any((each.place, model) in needed for model in each.models)
                or (each.bundle == place[0] and each.place != place)
            )
        ]
        bundle, node, band = place
        now = Numbering(
            bundle=bundle,
            node=node,
            band=band,
            models=tuple(dict.fromkeys([*older, *models]))[-MOST_MODELS:],
        )
        return replace(self, names=names, clusters=clusters, numberings=(*others, now))


def _given_to(
    words: tuple[SomeOfCluster, ...], place: Place, models: set[str | None], model: str
) -> tuple[SomeOfCluster, ...]:
    """Words of a place for one of `models` are for `model` now; of two for a cluster the later stays."""
    moved = [
        msgspec.structs.replace(each, model=model) if each.place == place and each.model in models else each
        for each in words
    ]
    return tuple({(each.place, each.model, each.cluster): each for each in moved}.values())
