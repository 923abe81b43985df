"""When a band's explanations are refreshed: on its period and when asked for, one band at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 300.0
AGAIN_SECONDS = 60.0
NOVEL, DEVIATING, REQUEST, PERIOD = "novel", "deviating", "request", "period"
_OF_VERDICTS = (NOVEL, DEVIATING)

BandKey = tuple[str, str]


class ExplainSchedule:
    """Which band is next, and why. A band that waits or is being refreshed refuses another request.

    Each band is due five minutes after it came (or a period, if that is shorter), then on a raster of its
    period, which does not shift however long a refresh takes or when it was asked for. People are served at
    once; verdicts, which may come and go, not within `verdict_seconds` (a minute) of the band's last refresh.
    Safe to call from several threads only under the caller's lock.
    """

    def __init__(
        self,
        period_seconds: float,
        *,
        verdict_seconds: float = AGAIN_SECONDS,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._period_seconds = period_seconds
        self._verdict_seconds = verdict_seconds
        self._monotonic_seconds = monotonic_seconds
        self._due_seconds: dict[BandKey, float] = {}
        self._begun_seconds: dict[BandKey, float] = {}
        self._asked: dict[BandKey, str] = {}
        self.busy: BandKey | None = None

    @property
    def bands(self) -> tuple[BandKey, ...]:
        return tuple(self._due_seconds)

    def know(self, band: BandKey) -> None:
        """A band has come; known ones stay as they are."""
        first_seconds = min(FIRST_SECONDS, self._period_seconds)
        self._due_seconds.setdefault(band, self._monotonic_seconds() + first_seconds)

    def ask(self, band: BandKey, reason: str) -> bool:
        """Want a refresh as soon as the worker is free; False where the band is waiting or at it already.

        People do not wait for a verdict's turn to come: what they ask takes its place.
        """
        waiting = self._asked.get(band)
        must_wait = waiting is not None and not self._may_now(band, waiting, self._monotonic_seconds())
        if band == self.busy or (waiting is not None and not (reason == REQUEST and must_wait)):
            return False
        self._asked[band] = reason
        return True

    def take(self) -> tuple[BandKey, str] | None:
        """The band whose turn it is, busy from now on until `done`, and why; None where nothing is due, or
        another is busy."""
        if self.busy is not None:
            return None
        now_seconds = self._monotonic_seconds()
        asked = next((each for each in self._asked.items() if self._may_now(*each, now_seconds)), None)
        if asked is not None:
            band, reason = asked
            del self._asked[band]
        else:
            band = min(self._due_seconds, key=self._due_seconds.__getitem__, default=None)
            if band is None or self._due_seconds[band] > now_seconds:
                return None
            reason = PERIOD
            periods = (now_seconds - self._due_seconds[band]) // self._period_seconds + 1
            self._due_seconds[band] += periods * self._period_seconds
        self._begun_seconds[band] = now_seconds
        self.busy = band
        return band, reason

    def done(self, *, again_soon: bool = False) -> None:
        """The busy band is free again; `again_soon` where it could not be explained yet."""
        if self.busy is not None and again_soon and self.busy in self._due_seconds:
            soon_seconds = self._monotonic_seconds() + min(AGAIN_SECONDS, self._period_seconds)
            self._due_seconds[self.busy] = min(self._due_seconds[self.busy], soon_seconds)
        self.busy = None

    def _may_now(self, band: BandKey, reason: str, now_seconds: float) -> bool:
        begun_seconds = self._begun_seconds.get(band)
        if begun_seconds is None or reason not in _OF_VERDICTS:
            return True
        return now_seconds >= begun_seconds + self._verdict_seconds
