"""Whether the wall clock can be trusted with deleting what it calls old."""

from __future__ import annotations

from collections.abc import Callable

from .frames import NS_PER_S

LEAP_NS = 60 * NS_PER_S
STEADY_NS = 600 * NS_PER_S


class SteadyClock:
    """The wall clock beside the monotonic one.

    It is steady once the two have agreed, within 60 s, for ten minutes since the start or since they last
    did not: a machine that boots with a wrong time, or is set to one, deletes nothing by it meanwhile.
    """

    def __init__(self, utc_ns: Callable[[], int], monotonic_ns: Callable[[], int]) -> None:
        self._utc_ns = utc_ns
        self._monotonic_ns = monotonic_ns
        self._since_ns = monotonic_ns()
        self._apart_ns = utc_ns() - self._since_ns

    def now_ns(self) -> int:
        """UTC, right or wrong."""
        return self._utc_ns()

    def steady(self) -> bool:
        """Look at both clocks; to be asked often, as only what is seen is known."""
        monotonic_ns = self._monotonic_ns()
        apart_ns = self._utc_ns() - monotonic_ns
        if abs(apart_ns - self._apart_ns) > LEAP_NS:
            self._apart_ns, self._since_ns = apart_ns, monotonic_ns
        return monotonic_ns - self._since_ns >= STEADY_NS
