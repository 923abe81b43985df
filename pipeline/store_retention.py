"""What goes when a store is too large, too old, or its disk too full: the oldest, whole files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .frames import NS_PER_S
from .journal import Segment
from .store_layout import Listing, StoredFile, day_end_ns

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of journal, rows and events together; age in days; bytes to be left free on the disk."""

    most_bytes: int
    most_days: float
    keep_free_bytes: int


def too_old(found: Listing, now_ns: int, most_days: float) -> Iterator[StoredFile]:
    """The files of days that ended longer ago than that; a day dated in the future makes none older."""
    before_ns = now_ns - round(most_days * DAY_SECONDS * NS_PER_S)
    return (each for each in oldest_first(found) if day_end_ns(each.day) <= before_ns)


def to_go(found: Listing, kept: Collection[Segment]) -> Iterator[StoredFile | Segment]:
    """Everything in the order in which it goes for want of room: files, then closed segments.

    `kept` are segments that may not go at all: the open one. Whatever has the highest number of all stays,
    so that numbers go on rising after a restart.
    """
    everything = [*found.files, *found.segments]
    highest = max((_last(each) for each in everything), default=-1)
    for each in [*oldest_first(found), *found.segments]:
        if _last(each) < highest and each not in kept:
            yield each


def oldest_first(found: Listing) -> list[StoredFile]:
    """Files in the order their days were begun, rows before events of the same day.

    Days are ordered by the first entry that is stored of them, not by date: rows that a wrong clock dated
    decades ahead do not outlive all others.
    """
    begun: dict[str, int] = {}
    for each in found.files:
        begun[each.day] = min(each.first_entry, begun.get(each.day, each.first_entry))
    return sorted(
        found.files,
        key=lambda each: (begun[each.day], each.day, each.band is None, each.first_entry, each.path),
    )


def _last(each: StoredFile | Segment) -> int:
    return max(each.first_entry, each.last_entry)
