"""People's words in a running agent: read at the start and whenever their file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from time import time_ns
from typing import Any

import msgspec

from ..pipeline.errors import BadInput
from .failure import Failure
from .words_book import MOST_MODELS, Book, ClusterMute, ClusterName, Mute, RangeMute, in_effect, utc
from .words_file import Busy, edit_book, read_book, words_path

LOOK_SECONDS = 1.0
RETRY_SECONDS = 60.0

Signature = tuple[int, int, int] | str


@dataclass(frozen=True, slots=True)
class Change:
    """Words that came to hold or ceased to, as the events tell them; `facts` are JSON-able.

    `named` (cluster, name), `unnamed` (cluster, name), `muted` (cluster, or low_hz and high_hz; until, why),
    `unmuted` (the same, and reason `removed` or `expired`); `words` at the start: how many there are.
    """

    node: str
    band: str
    time_ns: int
    kind: str
    facts: dict[str, Any] = field(default_factory=dict)


class Words:
    """Names and mutes of one state directory, as they hold for a bundle.

    `look` is called at each turn: once a second it looks at the file's date, so that a word acts at once. A
    file that cannot be used is told of once, and the words that were known stay. Which models are in use is
    noted in the file, for they say what a number means: words for a cluster hold as long as models are
    re-fitted from one another, rest while others are in use, and hold again when theirs are back. For one
    thread.
    """

    def __init__(
        self,
        directory: Path,
        bundle: str,
        told: Callable[[str], None],
        *,
        utc_ns: Callable[[], int] = time_ns,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = words_path(directory)
        self._bundle = bundle
        self._told = told
        self._utc_ns = utc_ns
        self._monotonic_seconds = monotonic_seconds
        self._in_use: dict[tuple[str, str], list[str]] = {}
        self._book = Book()
        self._mutes: tuple[Mute, ...] = ()
        self._seen: Signature | None = None
        self._usable = True
        self._unnoted = False
        self._told_of_writing = False
        self._look_at = self._write_at = 0.0
        self._noted: Book | None = None
        self._noted_mutes: tuple[Mute, ...] = ()
        self._read()
        self._mutes = self._in_effect()

    def look(self) -> bool:
        """Whether names or mutes hold that did not before, or no longer do."""
        now = self._monotonic_seconds()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        before, mutes_before = self._book, self._mutes
        self._read()
        if self._unnoted and self._usable and now >= self._write_at:
            self._note(now)
        self._mutes = self._in_effect()
        return before != self._book or mutes_before != self._mutes

    def use_bundle(self, bundle: str) -> None:
        """Another bundle is in use: the words for clusters of the old one rest."""
        self._bundle = bundle
        self._in_use.clear()
        self._unnoted = False

    def use_model(self, node: str, band: str, model: str, *, after: str | None = None) -> None:
        """A band's model, `after`: the one from which it was re-fitted."""
        models = self._in_use.get((node, band), [])
        if after is None:
            models = []
        elif models[-1:] != [after]:
            models = [after]
        self._in_use[node, band] = [*(each for each in models if each != model), model][-MOST_MODELS:]
        self._take(self._book)

    def name(self, node: str, band: str, cluster: int) -> str | None:
        """What a cluster of the model in use is called."""
        return self.names(node, band).get(cluster)

    def names(self, node: str, band: str) -> dict[int, str]:
        """The clusters of the model in use that have a name, lowest first."""
        found = {each.cluster: each.name for each in self._book.names if self._holds(each, node, band)}
        return dict(sorted(found.items()))

    def muted_clusters(self, node: str, band: str) -> dict[int, ClusterMute]:
        """The clusters of the model in use that are normal."""
        return {
            each.cluster: each
            for each in self._mutes
            if isinstance(each, ClusterMute) and self._holds(each, node, band)
        }

    def muted_ranges(self, node: str, band: str) -> list[RangeMute]:
        """The ranges in which a band is normal."""
        return [
            each
            for each in self._mutes
            if isinstance(each, RangeMute) and each.band == band and each.node in (None, node)
        ]

    def changes(self) -> list[Change]:
        """What has changed since the last call; at the first, how many words there are if there are any."""
        noted, noted_mutes = self._noted, self._noted_mutes
        self._noted, self._noted_mutes = self._book, self._mutes
        if noted is None:
            names = sum(each.bundle == self._bundle for each in self._book.names)
            counts = {"names": names, "mutes": len(self._mutes)}
            return [Change("", "", self._utc_ns(), "words", counts)] if any(counts.values()) else []
        return [*self._names_changed(noted), *self._mutes_changed(noted_mutes)]

    def _holds(self, words: ClusterName | ClusterMute, node: str, band: str) -> bool:
        models = self._in_use.get((node, band))
        return models is not None and self._book.holds(words, (self._bundle, node, band), models[-1])

    def _in_effect(self) -> tuple[Mute, ...]:
        now = utc(self._utc_ns())
        return tuple(each for each in (*self._book.ranges, *self._book.clusters) if in_effect(each, now))

    def _read(self) -> None:
        """Take the file's words if it is another than the one last seen."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            book = read_book(self._path)
        except BadInput as refusal:
            self._usable = False
            self._told(f"{refusal}; the words known so far stay")
            return
        self._usable = True
        self._unnoted = False
        self._take(book)

    def _signature(self) -> Signature:
        """What is another whenever the file was replaced or written to; text where it cannot be looked at."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        except OSError as error:
            return error.strerror or str(error)
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _take(self, book: Book) -> None:
        """These are the words; which models are in use is added where the file does not say so."""
        self._book = self._with_models(book)
        self._unnoted = self._unnoted or self._book != book

    def _with_models(self, book: Book) -> Book:
        for (node, band), models in self._in_use.items():
            book = book.using((self._bundle, node, band), models)
        return book

    def _note(self, now: float) -> None:
        """Tell the file which models are in use; when that fails, again in a minute."""
        try:
            self._book = edit_book(self._path, self._with_models, wait_seconds=0)
        except Busy:
            return
        except (BadInput, Failure) as error:
            self._write_at = now + RETRY_SECONDS
            if not self._told_of_writing:
                self._told_of_writing = True
                self._told(f"{error}; a name given now is not tied to the model in use")
            return
        self._unnoted = self._told_of_writing = False
        self._seen = self._signature()

    def _names_changed(self, noted: Book) -> Iterator[Change]:
        before, now = _by_cluster(noted.names, self._bundle), _by_cluster(self._book.names, self._bundle)
        for (node, band, cluster), names in now.items():
            for name in sorted(names - before.get((node, band, cluster), set())):
                yield Change(node, band, self._utc_ns(), "named", {"cluster": cluster, "name": name})
        for (node, band, cluster), names in before.items():
            if (node, band, cluster) not in now:
                for name in sorted(names):
                    yield Change(node, band, self._utc_ns(), "unnamed", {"cluster": cluster, "name": name})

    def _mutes_changed(self, noted: tuple[Mute, ...]) -> Iterator[Change]:
        before, now = (
            {
                each if isinstance(each, RangeMute) else msgspec.structs.replace(each, model=None)
                for each in mutes
            }
            for mutes in (noted, self._mutes)
        )
        moment = utc(self._utc_ns())
        for each in before - now:
            reason = "removed" if in_effect(each, moment) else "expired"
            yield Change(
                each.node or "", each.band, self._utc_ns(), "unmuted", {**_facts(each), "reason": reason}
            )
        for each in now - before:
            yield Change(each.node or "", each.band, self._utc_ns(), "muted", _facts(each))


def _by_cluster(names: tuple[ClusterName, ...], bundle: str) -> dict[tuple[str, str, int], set[str]]:
    found: dict[tuple[str, str, int], set[str]] = {}
    for each in names:
        if each.bundle == bundle:
            found.setdefault((each.node, each.band, each.cluster), set()).add(each.name)
    return found


def _facts(mute: Mute) -> dict[str, Any]:
    what = (
        {"low_hz": mute.low_hz, "high_hz": mute.high_hz}
        if isinstance(mute, RangeMute)
        else {"cluster": mute.cluster}
    )
    until = None if mute.until is None else mute.until.astimezone(UTC).isoformat()
    return {**what, "until": until, "why": mute.why}
