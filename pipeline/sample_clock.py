"""UTC of a receiver's samples: the host's clock at the start, the count of samples from then on."""

from __future__ import annotations

from fractions import Fraction

from .frames import NS_PER_S

_SPAN_NS = 10 * NS_PER_S


class SampleClock:
    """Dates samples by counting them, in whole numbers, and tells when the host's clock disagrees.

    Samples are read late by the transfer, the driver's buffers and the scheduler, never early; so it is
    the least lateness of each ten seconds of samples that is compared with the host's clock. Where it
    is more than `limit_ns` from zero, the receiver's crystal has drifted or the host's clock was set:
    `must_start_again` is then true, and the caller ends what it gathers and starts the clock anew. The ten
    seconds go on over starts that had to hold on to the count, or a receiver that loses samples all the
    time would never notice a clock that was set back.
    """

    def __init__(self, sample_rate_hz: float, limit_ns: int) -> None:
        self._ns_per_sample = NS_PER_S / Fraction(sample_rate_hz)
        self._limit_ns = limit_ns
        self._start_ns: int | None = None
        self._not_before_ns: int | None = None
        self._count = 0
        self._off_limit = False
        self._begin_span()

    @property
    def must_start_again(self) -> bool:
        """The last whole span of samples was too early or too late."""
        return self._off_limit

    def start_again(self, sample_rate_hz: float) -> None:
        """The next samples, of this rate, do not follow the last: date them by the host's clock.

        Never before the last sample's end, unless `must_start_again` says that the count was wrong.
        """
        if self._start_ns is not None:
            self._not_before_ns = None if self._off_limit else self._time_ns(self._start_ns)
        self._start_ns = None
        self._ns_per_sample = NS_PER_S / Fraction(sample_rate_hz)
        self._count = 0
        self._off_limit = False

    def skip(self, samples: int) -> None:
        """So many samples were lost: the next come after them."""
        self._count += samples

    def stamp(self, samples: int, now_ns: int) -> int:
        """UTC in ns of the first of `samples` that have just been read, `now_ns` by the host's clock."""
        if self._start_ns is None:
            # A machine without a clock battery starts in 1970: no time is before that.
            self._start_ns = max(0, now_ns - round(samples * self._ns_per_sample))
            if self._not_before_ns is not None and self._not_before_ns > self._start_ns:
                self._start_ns = self._not_before_ns
            else:
                self._begin_span()
        time_ns = self._time_ns(self._start_ns)
        self._count += samples
        self._span_ns += samples * self._ns_per_sample
        self._judge(self._time_ns(self._start_ns), now_ns)
        return time_ns

    def _time_ns(self, start_ns: int) -> int:
        return start_ns + round(self._count * self._ns_per_sample)

    def _begin_span(self) -> None:
        self._span_ns = Fraction(0)
        self._least_late_ns: int | None = None

    def _judge(self, end_ns: int, now_ns: int) -> None:
        late_ns = now_ns - end_ns
        self._least_late_ns = late_ns if self._least_late_ns is None else min(self._least_late_ns, late_ns)
        if self._span_ns >= _SPAN_NS:
            self._off_limit = abs(self._least_late_ns) > self._limit_ns
            self._begin_span()
