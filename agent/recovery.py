"""A restart: the bands' states, and down the same routes whatever the journal has after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from ..models.bundle import Bundle
from ..pipeline.errors import BadInput
from ..pipeline.frames import Gap, PsdFrame
from ..pipeline.journal import Entry, Note
from .labels import Labels
from .notes import CURSOR, STRIDE
from .route import BandRoute
from .routes import Routes
from .state import Kept, StateFolder

if TYPE_CHECKING:
    from ..pipeline.store import Store

MOST_REFILL_ROWS = 20_000


@dataclass(slots=True)
class Recovered:
    """What a restart has found: rows sent down the routes again, and where each band had got to."""

    rows: int = 0
    seconds: float = 0.0
    kept: dict[tuple[str, str], int] = field(default_factory=dict)
    end_ns: dict[tuple[str, str], int] = field(default_factory=dict)


def recover(routes: Routes, states: StateFolder, store: Store, told: Callable[[str], None]) -> Recovered:
    """Bring the routes to where they would be had the agent never stopped.

    A band with a state goes on from there with the journal's rows, gaps and what else moved it. One with
    none, or whose settings have changed, is sent its newest rows, at most 20,000. What comes out is known
    already and goes nowhere. A band that cannot be recovered begins anew, and that is said.
    """
    begun = perf_counter()
    found = Recovered()
    kept = _kept(routes, states)
    whole_from: dict[tuple[str, str], int] = {}
    for at, state in kept.items():
        if state is not None and _restore(routes, state, told):
            whole_from[at] = found.kept[at] = state.entry
            if not state.same_bundle:
                _use_refilled(routes, store, at)
    for at in [at for at in kept if at not in whole_from]:
        whole_from[at] = _refill(routes, store, at, found)
    # A band that was first heard after the last states were kept has all of its rows behind them.
    for number, entry in store.entries_after(min(whole_from.values(), default=-1)):
        at = (entry.node, entry.band)
        if number > whole_from.get(at, -1) and routes.wants(*at):
            _resume(routes, at, entry, found)
    found.seconds = perf_counter() - begun
    return found


def refilled_labels(
    routes: Routes, store: Store, node: str, band: str, bundle: Bundle | None = None
) -> Labels:
    """A band's labels by a bundle that has not seen its rows, fitted on those that are stored."""
    practice = routes.detached(node, band, bundle)
    for _, piece in store.last_rows(node, band, MOST_REFILL_ROWS):
        practice.resume(piece)
    return practice.labels


def _kept(routes: Routes, states: StateFolder) -> dict[tuple[str, str], Kept | None]:
    """The state of every band that is wanted and has been heard before; None where it has none."""
    return {at: states.read(*at, routes.settings_of(at[1])) for at in states.bands() if routes.wants(*at)}


def _restore(routes: Routes, kept: Kept, told: Callable[[str], None]) -> bool:
    route = routes.of(kept.node, kept.band)
    if route is None:
        return False
    try:
        route.restore(kept.state, with_labels=kept.same_bundle)
    except BadInput as refusal:
        told(f"{refusal}; its rows are read again")
        routes.forget(kept.node, kept.band)
        return False
    return True


def _use_refilled(routes: Routes, store: Store, at: tuple[str, str]) -> None:
    route, labels = routes.of(*at), refilled_labels(routes, store, *at)
    if route is not None and labels.geometry == route.labels.geometry:
        route.use_labels(labels)


def _refill(routes: Routes, store: Store, at: tuple[str, str], found: Recovered) -> int:
    """Send a new route the newest rows; the number of the last of them."""
    last = -1
    for number, piece in store.last_rows(*at, MOST_REFILL_ROWS):
        _resume(routes, at, piece, found)
        last = number
    return last


def _resume(routes: Routes, at: tuple[str, str], entry: Entry, found: Recovered) -> None:
    route = routes.of(*at)
    if route is None:
        return
    match entry:
        case PsdFrame():
            route.resume(entry)
            found.rows += 1
            found.end_ns[at] = entry.end_ns
        case Gap():
            route.resume(entry)
        case Note():
            _heed(route, entry)


def _heed(route: BandRoute, note: Note) -> None:
    """What moved a band without a row."""
    if note.kind == CURSOR:
        route.continuity.restore(dict(note.facts))
    elif note.kind == STRIDE:
        route.stride_rows = int(note.facts["rows"])
