"""Local dates and times -> UTC, where the file does not say of which zone they are."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ..frames import NS_PER_S

UNKNOWN_ZONE = (
    "local times of an unknown zone taken as UTC; write time_zone in the sidecar or give --time-zone"
)

_DATE = re.compile(rb"\s*(\d{4}-\d\d-\d\d)\s*")
_TIME = re.compile(rb"\s*(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\s*")
_EPOCH = datetime(1970, 1, 1)


class LocalClock:
    """Reads the stamps of one pass over a file, in order; without a zone they are UTC.

    A time that comes twice, in the hour after a zone sets its clocks back, is the one nearer to the stamp
    before it, the later of two as near, and the first where there is no stamp before. A time that never
    was, in the hour that is skipped, is counted on from before the change.
    """

    def __init__(self, zone: ZoneInfo | None) -> None:
        self._zone = zone
        self._before_ns: int | None = None
        self._latest: tuple[bytes, bytes] | None = None

    def read(self, date: bytes, time: bytes) -> tuple[int, str | None]:
        """Nanoseconds since 1970 UTC, and what is odd about the stamp; ValueError where it is none.

        What is odd is told where the stamp differs from the one before.
        """
        if (date, time) == self._latest and self._before_ns is not None:
            return self._before_ns, None
        day, clock = _DATE.fullmatch(date), _TIME.fullmatch(time)
        text = (date + b"," + time).decode(errors="replace").strip()[:60]
        if day is None or clock is None:
            raise ValueError(f"{text!r} is no date and time; limit: 2026-01-31, 12:00:00")
        try:
            moment = datetime.fromisoformat(f"{day[1].decode()}T{clock[1].decode()}")
            seconds, odd = self._utc(moment)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{text!r} is no date and time: {error}") from None
        nanoseconds = int((clock[2] or b"").ljust(9, b"0"))
        self._before_ns = seconds * NS_PER_S + nanoseconds
        self._latest = date, time
        return self._before_ns, f"{text!r} {odd}" if odd else None

    def _utc(self, moment: datetime) -> tuple[int, str | None]:
        """Seconds since 1970 of a local time, and what is odd about it."""
        local = (moment - _EPOCH) // timedelta(seconds=1)
        if self._zone is None:
            return local, None
        first, second = (local - self._offset(moment, fold) for fold in (0, 1))
        if first == second:
            return first, None
        if first > second:
            return first, f"never was in {self._zone.key}: counted on from before the clocks changed"
        if self._before_ns is None:
            return first, None
        before = self._before_ns // NS_PER_S
        return (first if abs(first - before) < abs(second - before) else second), None

    def _offset(self, moment: datetime, fold: int) -> int:
        """Seconds that the zone is ahead of UTC; `fold` as in PEP 495."""
        offset = moment.replace(tzinfo=self._zone, fold=fold).utcoffset()
        return 0 if offset is None else offset // timedelta(seconds=1)
