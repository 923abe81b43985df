"""`bandwatch mute`: this is normal here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from time import time_ns
from typing import Annotated

import typer

from ...config.schema import RadioSource, Settings, SimulatorSource
from ...pipeline.errors import BadInput
from ...pipeline.named_scenes import scene_named
from ...pipeline.sidecar import instant_ns
from ...pipeline.windows import WINDOW_BINS
from .. import spoken
from ..words_book import Book, ClusterMute, Mute, RangeMute, in_effect, in_words, utc
from ..words_file import edit_book, read_book
from .place import (
    BandOption,
    ConfigOption,
    NodeOption,
    Place,
    cluster_number,
    find_place,
    hash_of_bundle,
    rests,
    settings_and_words,
    words_of,
)
from .unheard import note_cluster, note_range

RULE = "a segment is muted where muted ranges cover at least half of it"


def mute_command(
    what: Annotated[
        str | None, typer.Argument(metavar="RANGE|CLUSTER", help="868.1-868.3MHz, or a cluster's number.")
    ] = None,
    band: BandOption = None,
    node: NodeOption = None,
    until: Annotated[
        str | None, typer.Option(metavar="T", help="End of it, UTC: 2026-12-24T18:00:00Z.")
    ] = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="2h", help="How long: 45min, 2h, 3d.")] = None,
    why: Annotated[str | None, typer.Option(metavar="TEXT", help="Shown with what it mutes.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="No longer mute it.")] = False,
    config: ConfigOption = None,
) -> None:
    """Say that a range or a cluster of a band is normal; without arguments, list what is muted.

    Its novel and deviating segments are given out as normal, with the reason. A segment is muted where muted
    ranges cover at least half of it, or where at least three in four of its last 40 windows are of muted
    clusters. A running agent takes it up within a second; a mute is kept over restarts.

    Example: bandwatch mute 868.1-868.3MHz --for 2h --why "meter readings" -c bandwatch.yaml
    """
    settings, path = settings_and_words(config)
    now = utc(time_ns())
    if what is None:
        for line in _lines(read_book(path), hash_of_bundle(settings), now):
            typer.echo(line)
        return
    if remove and (until is not None or for_ is not None or why is not None):
        raise BadInput("--remove: with --until, --for or --why; limit: alone")
    end = _end(until, for_, now)
    said = None if why is None else words_of("--why", why) or None
    wanted = _wanted(what)
    place = find_place(settings, path, band, node)
    where = place.of_cluster(f"cluster {wanted}") if isinstance(wanted, int) else None

    def change(book: Book) -> Book:
        book = replace(
            book,
            ranges=tuple(each for each in book.ranges if in_effect(each, now)),
            clusters=tuple(each for each in book.clusters if in_effect(each, now)),
        )
        if isinstance(wanted, int):
            return _with_cluster(book, place, wanted, end, said, remove=remove)
        return _with_range(book, place, wanted, end, said, remove=remove)

    edit_book(path, change)
    thing = f"cluster {wanted}" if where is not None else what
    if remove:
        typer.echo(f"{thing} of {place.name} is not muted any more")
        return
    typer.echo(f"{thing} of {place.name} is muted" + (f" until {end:%Y-%m-%d %H:%M:%S} UTC" if end else ""))
    if isinstance(wanted, int):
        note_cluster(path.parent, place, wanted)
    else:
        typer.echo(_rule(settings, place.band, wanted))
        note_range(path.parent, settings, place, wanted)


def _wanted(text: str) -> int | tuple[float, float]:
    return cluster_number(text) if text.strip().isdecimal() else spoken.range_hz(text)


def _end(until: str | None, for_: str | None, now: datetime) -> datetime | None:
    if until is not None and for_ is not None:
        raise BadInput(f"--until {until}: with --for {for_}; limit: one of them")
    if for_ is not None:
        return now + spoken.duration("--for", for_)
    if until is None:
        return None
    end = utc(instant_ns("--until", until))
    if end <= now:
        raise BadInput(f"--until {until}: has passed; limit: later than {now:%Y-%m-%dT%H:%M:%SZ}")
    return end


def _with_range(
    book: Book,
    place: Place,
    ends_hz: tuple[float, float],
    end: datetime | None,
    why: str | None,
    *,
    remove: bool,
) -> Book:
    low_hz, high_hz = ends_hz
    mute = RangeMute(band=place.band, node=place.node, low_hz=low_hz, high_hz=high_hz, until=end, why=why)
    others = tuple(each for each in book.ranges if _key(each) != _key(mute))
    if remove:
        if len(others) == len(book.ranges):
            mine = [each.what for each in book.ranges if _key(each)[:2] == _key(mute)[:2]]
            raise _not_muted(mute.what, place, mine)
        return replace(book, ranges=others)
    return replace(book, ranges=(*others, mute))


def _with_cluster(
    book: Book, place: Place, cluster: int, end: datetime | None, why: str | None, *, remove: bool
) -> Book:
    where = bundle, node, band = place.of_cluster(f"cluster {cluster}")
    same = book.of_present(book.clusters, where, cluster)
    others = tuple(each for each in book.clusters if each not in same)
    if remove:
        if not same:
            model = book.newest_model(where)
            mine = [str(each.cluster) for each in book.clusters if book.holds(each, where, model)]
            raise _not_muted(f"cluster {cluster}", place, mine)
        return replace(book, clusters=others)
    model = book.newest_model(where)
    mute = ClusterMute(bundle=bundle, node=node, band=band, cluster=cluster, model=model, until=end, why=why)
    return replace(book, clusters=(*others, mute))


def _not_muted(what: str, place: Place, muted: list[str]) -> BadInput:
    return BadInput(f"{what} of {place.name}: is not muted; limit: {', '.join(muted) or 'nothing is'}")


def _key(mute: RangeMute) -> tuple[str, str | None, float, float]:
    return mute.band, mute.node, mute.low_hz, mute.high_hz


def _rule(settings: Settings, band: str, ends_hz: tuple[float, float]) -> str:
    """What a range can mute, and what to do where it is too narrow for any segment."""
    segment_hz = _segment_hz(settings, band)
    wide_hz = ends_hz[1] - ends_hz[0]
    if segment_hz is None:
        return f"{RULE}; narrower ranges belong into the band's mask.ranges_hz"
    if wide_hz < segment_hz / 2:
        return (
            f"but it mutes nothing: {RULE}, segments are {segment_hz:g} Hz wide, this range {wide_hz:g} Hz; "
            "to keep it out of everything use the band's mask.ranges_hz"
        )
    return f"{RULE} (segments are {segment_hz:g} Hz wide)"


def _segment_hz(settings: Settings, band: str) -> float | None:
    """From the first bin's centre to the last one's; None where only the publisher knows."""
    its = settings.band(band)
    if isinstance(its.source, RadioSource):
        bins, bin_hz = its.psd.bins, its.source.sample_rate_hz / its.psd.bins
    elif isinstance(its.source, SimulatorSource):
        scene = scene_named(its.source.scene, its.source.seed)
        bins, bin_hz = scene.bins, scene.bin_hz
    else:
        return None
    return (min(bins, WINDOW_BINS) - 1) * bin_hz


def _lines(book: Book, bundle: str, now: datetime) -> list[str]:
    mutes: list[Mute] = [*book.ranges, *book.clusters]
    if not mutes:
        return ["nothing is muted"]
    where = [f"{each.node or '*'}/{each.band}" for each in mutes]
    return [
        f"{at:<{max(map(len, where))}}  {in_words(each)}{f'  ({note})' if note else ''}"
        for at, each in sorted(zip(where, mutes, strict=True), key=lambda pair: pair[0])
        for note in [_note(book, each, bundle, now)]
    ]


def _note(book: Book, mute: Mute, bundle: str, now: datetime) -> str:
    if not in_effect(mute, now):
        return "has run out"
    return rests(book, mute.place, mute.model, bundle) if isinstance(mute, ClusterMute) else ""
