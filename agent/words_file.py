"""The file of people's words: read with suspicion, replaced whole, by one writer at a time."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ..pipeline.durable_file import PART_SUFFIX, durable_file, new_folder
from ..pipeline.errors import BadInput
from .failure import Failure
from .words_book import MOST_ENTRIES, Book, ClusterMute, ClusterName, Entry, Numbering, RangeMute

WORDS_FILE = "words.yaml"
VERSION = 1
MOST_BYTES = 4_000_000
MOST_DEPTH = 8
WAIT_SECONDS = 10.0

_HEAD = """\
# Names of clusters and what is normal here, written by `bandwatch name` and `bandwatch mute`.
# A running agent reads this file whenever it changes, and notes under `numberings` which models it uses.
"""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Content(Entry, frozen=True):
    version: int
    names: tuple[ClusterName, ...] = ()
    ranges: tuple[RangeMute, ...] = ()
    clusters: tuple[ClusterMute, ...] = ()
    numberings: tuple[Numbering, ...] = ()


class Busy(Failure):
    """Another holds the file's lock."""


def words_path(directory: Path) -> Path:
    """Where a state directory keeps its words."""
    return directory / WORDS_FILE


def read_book(path: Path) -> Book:
    """The words in a file, none where there is no file; `BadInput` for one that cannot be used."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return Book()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise BadInput(f"{path}: more than {MOST_BYTES} bytes; limit: {MOST_ENTRIES} words")
    return _book(path, _plain(path, content))


def edit_book(path: Path, change: Callable[[Book], Book], *, wait_seconds: float = WAIT_SECONDS) -> Book:
    """Read the words, change them and write them; nobody else writes meanwhile. The words as they are now.

    A file that cannot be used is never replaced. Raises BadInput for one, and whatever `change` raises;
    Busy where another is writing for `wait_seconds`; Failure where it cannot be written.
    """
    try:
        new_folder(path.parent)
        with _locked(path, wait_seconds):
            before = read_book(path)
            after = change(before)
            if after != before:
                if after.count > max(MOST_ENTRIES, before.count):
                    raise BadInput(f"{path}: {after.count} names and mutes; limit: {MOST_ENTRIES}")
                _write(path, after)
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror or error}") from None
    return after


def _plain(path: Path, content: bytes) -> Any:
    try:
        _refuse_what_we_never_write(path, content)
        return yaml.load(content, _LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, OverflowError) as error:
        if isinstance(error, BadInput):
            raise
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise BadInput(f"{path}: damaged: not YAML{where}") from None


def _refuse_what_we_never_write(path: Path, content: bytes) -> None:
    """The loader ends the process on what is nested too deep, and trips over tags that do not fit."""
    depth = 0
    for event in yaml.parse(content, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise BadInput(f"{path}: damaged: nested {depth} deep; limit: {MOST_DEPTH}")
        if getattr(event, "tag", None) is not None or getattr(event, "anchor", None) is not None:
            raise BadInput(f"{path}: damaged: a tag, anchor or alias in line {event.start_mark.line + 1}")


def _book(path: Path, plain: Any) -> Book:
    if not isinstance(plain, dict) or "version" not in plain:
        raise BadInput(f"{path}: damaged: no `version`; limit: {VERSION}")
    if plain["version"] != VERSION:
        raise BadInput(f"{path}: version {plain['version']!r}; limit: {VERSION}")
    try:
        content = msgspec.convert(plain, _Content)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadInput(f"{path}: damaged: {error}") from None
    for number, mute in enumerate(content.ranges):
        if not (math.isfinite(mute.low_hz) and math.isfinite(mute.high_hz) and mute.low_hz < mute.high_hz):
            ends = f"{mute.low_hz:g} to {mute.high_hz:g} Hz"
            raise BadInput(f"{path}: damaged: ranges[{number}]: {ends}; limit: low before high")
    for number, numbering in enumerate(content.numberings):
        if not numbering.models:
            raise BadInput(f"{path}: damaged: numberings[{number}]: no models; limit: at least one")
    return Book(content.names, content.ranges, content.clusters, content.numberings)


def _write(path: Path, book: Book) -> None:
    """OSError as the system gives it; what was there stays then."""
    content = _Content(VERSION, book.names, book.ranges, book.clusters, book.numberings)
    plain = msgspec.to_builtins(content)
    text = yaml.dump(plain, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=100)
    for left in path.parent.glob(f".{path.name}.*{PART_SUFFIX}"):
        # Of one who was killed: the lock is ours.
        with suppress(OSError):
            left.unlink()
    with durable_file(path) as part:
        part.write_text(_HEAD + text, encoding="utf-8")
        # The command may be another user's than the agent, with a tighter mask.
        part.chmod(0o644)


@contextmanager
def _locked(path: Path, wait_seconds: float) -> Iterator[None]:
    lock_path = path.with_name(f"{path.name}.lock")
    handle = _lock_file(lock_path)
    try:
        until = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Busy(f"{path}: another has been writing it for {wait_seconds:g} s") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def _lock_file(path: Path) -> int:
    """The file that is locked: it stays when the words are replaced. Whoever may read it may lock it."""
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with suppress(OSError):
        os.fchmod(handle, 0o644)
    return handle
