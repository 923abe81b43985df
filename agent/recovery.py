"""A restart: the bands' states, and down the same routes whatever the journal has after them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from ..models.bundle import Bundle
from ..pipeline.errors import BadInput
from ..pipeline.frames import PsdFrame
from ..pipeline.journal import Entry, Note
from .labels import Labels
from .notes import CURSOR, REFIT, STRIDE
from .past import Past
from .route import BandRoute
from .routes import Routes
from .state import Kept, StateFolder

MOST_REFILL_ROWS = 20_000


@dataclass(slots=True)
class Recovered:
    """What a restart has found: rows sent down the routes again, and where each band had got to."""

    rows: int = 0
    seconds: float = 0.0
    kept: dict[tuple[str, str], int] = field(default_factory=dict)
    end_ns: dict[tuple[str, str], int] = field(default_factory=dict)
    """Up to when each band has been heard."""


def recover(
    routes: Routes,
    states: StateFolder,
    past: Past,
    told: Callable[[str], None],
    going_on: Callable[[], None] = lambda: None,
) -> Recovered:
    """Bring the routes to where they would be had the agent never stopped.

    A band with a state goes on from there with the journal's rows, gaps and what else moved it. One with
    none, or whose settings have changed, is sent its newest rows, at most 20,000. What comes out is known
    already and goes nowhere. A band that cannot be recovered begins anew, and that is said.

    `going_on` is called at every entry, and may end it by raising: the routes are of no use then.
    """
    begun = perf_counter()
    again = _Again(routes, told, going_on)
    kept: dict[tuple[str, str], int] = {}
    whole_from: dict[tuple[str, str], int] = {}
    of_other_bundle: list[tuple[str, str]] = []
    heard_of = {*states.bands(), *past.bands()}
    for at in sorted(at for at in heard_of if routes.wants(*at)):
        state = states.read(*at, routes.settings_of(at[1]))
        if state is not None and _restore(routes, state, told):
            whole_from[at] = kept[at] = state.entry
            if not state.same_bundle:
                of_other_bundle.append(at)
            continue
        whole_from[at] = -1
        # Where the journal has it all, it has what rows do not tell, too: strides that the load has raised.
        if not past.is_whole(MOST_REFILL_ROWS):
            for number, piece in past.last_rows(*at, MOST_REFILL_ROWS):
                again.send(at, piece)
                whole_from[at] = number
    # A band that was first heard after the last states were kept has all of its rows behind them.
    after = min(whole_from.values(), default=-1)
    for number, entry in past.entries_after(after):
        if 0 <= after < number - 1:  # let go for want of room: what comes now comes after a gap
            told(f"the journal goes on at entry {number}, states end at {after}: what was between is lost")
        after = -1
        at = (entry.node, entry.band)
        if number > whole_from.get(at, -1) and routes.wants(*at):
            again.send(at, entry)
    for at in of_other_bundle:
        route, labels = routes.of(*at), labels_of(routes, states, past, *at, going_on=going_on, told=told)
        if route is not None and labels.geometry == route.labels.geometry:
            route.use_labels(labels)
    ends_ns = {(route.node, route.band): route.continuity.place[-1] for route in routes}
    end_ns = {at: each for at, each in ends_ns.items() if each is not None}
    return Recovered(again.rows, perf_counter() - begun, kept, end_ns)


def labels_of(
    routes: Routes,
    states: StateFolder,
    past: Past,
    node: str,
    band: str,
    bundle: Bundle | None = None,
    going_on: Callable[[], None] = lambda: None,
    told: Callable[[str], None] = lambda _: None,
) -> Labels:
    """A band's labels by a bundle that has not seen its last rows: those that were kept with it, as `states`
    has them, else fitted on the rows that are stored."""
    kept = states.read_own(node, band, routes.settings_of(band))
    if kept is not None:
        route = routes.detached(node, band, bundle)
        try:
            route.restore(kept.state, with_labels=True)
        except BadInput as refusal:
            told(f"{refusal}; its rows are read again")
        else:
            return route.labels
    practice = routes.detached(node, band, bundle)
    for _, piece in past.last_rows(node, band, MOST_REFILL_ROWS):
        going_on()
        practice.resume(piece)
    return practice.labels


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


class _Again:
    """Sends the routes what they have heard before."""

    def __init__(self, routes: Routes, told: Callable[[str], None], going_on: Callable[[], None]) -> None:
        self._routes = routes
        self._told = told
        self._going_on = going_on
        self._told_of: set[tuple[str, str]] = set()
        self.rows = 0

    def send(self, at: tuple[str, str], entry: Entry) -> None:
        self._going_on()
        route = self._routes.of(*at)
        if route is None:
            return
        self.rows += isinstance(entry, PsdFrame)
        try:
            if isinstance(entry, Note):
                self._heed(route, entry)
            else:
                route.resume(entry)
        except Exception as error:  # noqa: BLE001 - else every start would end here, for ever
            if at not in self._told_of:
                self._told_of.add(at)
                reason = str(error) if isinstance(error, BadInput) else f"{at[0]}/{at[1]}: {error!r}"
                self._told(f"{reason}; the band is not what it was, and begins anew")
            self._routes.forget(*at)

    def _heed(self, route: BandRoute, note: Note) -> None:
        """What moved a band without a row."""
        if note.kind == CURSOR:
            route.continuity.restore(dict(note.facts))
        elif note.kind == STRIDE:
            route.stride_rows = int(note.facts["rows"])
        elif note.kind == REFIT:
            try:
                route.use_fit(str(note.facts["fit"]))
            except BadInput as refusal:  # the band goes on without
                self._told(str(refusal))
