"""`bandwatch events`: what happened."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ...config.loader import load, shipped
from ...pipeline.errors import BadInput
from ...pipeline.frames import NS_PER_S
from ...pipeline.journal import Note
from ...pipeline.sidecar import instant_ns
from ...pipeline.store import stored_events
from ..event_words import event_words

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_ZONED = re.compile(r".*([Zz]|\d[ ]*[+-]\d\d?(:?\d\d)?)")
_TIME_LIMIT = "a UTC time such as 2026-01-31T12:00:00Z, or an age such as 90m, 2h or 3d"


def events_command(
    since: Annotated[
        str, typer.Option(metavar="T", help="From then on: a time (UTC), or an age: 2h.")
    ] = "1d",
    until: Annotated[str | None, typer.Option(metavar="T", help="Up to then: a time or an age.")] = None,
    node: Annotated[str | None, typer.Option(metavar="NODE", help="Only of this node.")] = None,
    band: Annotated[str | None, typer.Option(metavar="BAND", help="Only of this band.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only these: verdict, gap, fitted ...; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", metavar="FILE", help="The agent's settings.")
    ] = None,
) -> None:
    """Tell what happened: verdicts, gaps, fits, starts, alarms; of the last day, or --since when.

    It reads the store, also while the agent writes to it.

    Example: bandwatch events --since 3h --kind verdict --kind gap
    """
    now_ns = time.time_ns()
    since_ns = moment_ns("--since", since, now_ns)
    until_ns = None if until is None else moment_ns("--until", until, now_ns)
    if until_ns is not None and until_ns <= since_ns:
        raise BadInput(f"--until {until}; limit: later than --since {since}")
    settings = load(config or shipped("simulated.yaml"), os.environ)
    events = stored_events(
        settings.store.directory.expanduser(),
        since_ns=since_ns,
        until_ns=until_ns,
        node=node,
        band=band,
        kinds=kind,
        told=lambda line: typer.echo(f"problem: {line}", err=True),
    )
    count = 0
    for entry, event in events:
        if event.kind == BOOKMARK and not kind:
            continue
        count += 1
        typer.echo(_as_json(entry, event) if as_json else _as_line(event))
    if not count and not as_json:
        typer.echo("nothing happened that was recorded", err=True)


BOOKMARK = "cursor"
"""Where a band's rows stood: for the agent's next start, not for people."""


def moment_ns(option: str, text: str, now_ns: int) -> int:
    """UTC in ns of an ISO time, UTC where it has no offset, or of so long ago."""
    age = _AGE.fullmatch(text)
    if age is not None:
        number, unit = age.groups()
        return max(0, now_ns - round(float(number) * _UNIT_SECONDS[unit] * NS_PER_S))
    try:
        return instant_ns(option, text if _ZONED.fullmatch(text) and not _is_day(text) else f"{text}Z")
    except BadInput:
        raise BadInput(f"{option}: '{text}'; limit: {_TIME_LIMIT}") from None


def _is_day(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None


def _as_json(entry: int, event: Note) -> str:
    of_entry = {
        "kind": event.kind,
        "entry": entry,
        "node": event.node,
        "band": event.band,
        "time_ns": event.time_ns,
    }
    return msgspec.json.encode({**of_entry, **event.facts, **of_entry}).decode()


def _as_line(event: Note) -> str:
    where = f"{event.node}/{event.band}".strip("/") or "-"
    when = f"{datetime.fromtimestamp(event.time_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}Z"
    return f"{when}  {where:<20}  {event.kind:<10}  {event_words(event)}".rstrip()
