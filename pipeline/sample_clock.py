"""UTC of a receiver's samples: their count, at a rate that follows the host's clock."""

from __future__ import annotations

from fractions import Fraction

from .frames import NS_PER_S

_SPAN_NS = 10 * NS_PER_S
_PPB = 1_000_000_000
_MOST_PPB = 500_000
# Of what a span finds: a fifth is taken out over the next one, a hundredth goes into the drift for good.
# With p = 1/5 and i = 1/100 the loop is critically damped (p^2 = 4 i), its time constant ten spans.
_PHASE_SPANS = 5
_DRIFT_SPANS = 100


class SampleClock:
    """Dates samples by counting them, exactly, and lets the length of a sample follow the host's clock.

    Samples are read late by the transfer, the driver's buffers and the scheduler, never early; so it is
    the least lateness e of each span of ten seconds of samples that is compared with the host's clock.
    The first read is dated as if it had come at once, and e is driven towards zero: dates are late by the
    quickest read's latency, which is never taken for drift, and the first read's own delay wears off.

    After each span, of S ns, a proportional-integral loop sets the rate r for the next:

        drift += (e / S) / 100,    r = drift + (e / S) / 5,    |r| <= 500 ppm.

    It is the second-order loop of NTP's clock discipline (RFC 5905, section 11.3; 500 ppm is its frequency
    tolerance, MAXFREQ) and of sound cards' clocks (F. Adriaensen, Using a DLL to filter time, 2005).
    Critically damped, with a time constant of 100 s: a crystal x ppm off is at most 0.05 x ms behind, for
    some minutes after the start; then its drift is known, and kept over every start. While r is at its
    bound the drift does not learn, so that a small step of the host's clock is slewed (0.3 s in ten
    minutes to the last 25 ms, in seventeen to the last one) and not taken for a drift. Noise of n ms in e
    moves r by 20 n ppm. Dates never step and never go back. They are whole numbers of so small a part of
    a nanosecond that no length of a sample is rounded, and only what is given out is.

    Only where e is more than `limit_ns` from zero, the host's clock was set, or the rate is wrong by more
    than 500 ppm: `must_start_again` is then true, and the caller ends what it gathers and starts the clock
    anew. The span goes on over starts that had to hold on to the count, or a receiver that loses samples
    all the time would never notice a clock that was set back.
    """

    def __init__(self, sample_rate_hz: float, limit_ns: int) -> None:
        self._limit_ns = limit_ns
        self._end: int | None = None  # of the last sample, in parts of a ns
        self._not_before_ns: int | None = None
        self._off_limit = False
        self._drift_ppb = self._rate_ppb = 0
        self._count_at(sample_rate_hz)
        self._begin_span()

    @property
    def must_start_again(self) -> bool:
        """The last whole span of samples was too early or too late to be slewed."""
        return self._off_limit

    def start_again(self, sample_rate_hz: float) -> None:
        """The next samples, of this rate, do not follow the last: date them by the host's clock.

        Never before the last sample's end, unless `must_start_again` says that the count was wrong. The
        crystal is the same, and so is its drift.
        """
        if self._end is not None:
            self._not_before_ns = None if self._off_limit else -(-self._end // self._parts_per_ns)
        self._end = None
        self._off_limit = False
        self._count_at(sample_rate_hz)

    def skip(self, samples: int) -> None:
        """So many samples were lost: the next come after them."""
        if self._end is not None:
            # By the drift alone: what was to be taken out over one span would be over any number.
            self._end += samples * self._length(self._drift_ppb)

    def stamp(self, samples: int, now_ns: int) -> int:
        """UTC in ns of the first of `samples` that have just been read, `now_ns` by the host's clock."""
        lasts_ns = self._in_ns(samples * self._length(0))
        first = self._start_ns(now_ns - lasts_ns) * self._parts_per_ns if self._end is None else self._end
        self._end = first + samples * self._length(self._rate_ppb)
        self._span_ns += lasts_ns
        self._judge(now_ns - self._in_ns(self._end))
        return self._in_ns(first)

    def _start_ns(self, host_ns: int) -> int:
        # A machine without a clock battery starts in 1970: no time is before that.
        host_ns = max(0, host_ns)
        if self._not_before_ns is not None and self._not_before_ns > host_ns:
            return self._not_before_ns
        self._rate_ppb = self._drift_ppb
        self._begin_span()
        return host_ns

    def _count_at(self, sample_rate_hz: float) -> None:
        ns_per_sample = NS_PER_S / Fraction(sample_rate_hz)
        self._ns_numerator = ns_per_sample.numerator
        self._parts_per_ns = ns_per_sample.denominator * _PPB

    def _length(self, rate_ppb: int) -> int:
        """Of a sample, in parts of a ns."""
        return self._ns_numerator * (_PPB + rate_ppb)

    def _in_ns(self, parts: int) -> int:
        return (2 * parts + self._parts_per_ns) // (2 * self._parts_per_ns)

    def _begin_span(self) -> None:
        self._span_ns = 0
        self._least_late_ns: int | None = None

    def _judge(self, late_ns: int) -> None:
        least_ns = late_ns if self._least_late_ns is None else min(self._least_late_ns, late_ns)
        self._least_late_ns = least_ns
        if self._span_ns < _SPAN_NS:
            return
        self._off_limit = abs(least_ns) > self._limit_ns
        self._rate_ppb = self._follow(least_ns)
        self._begin_span()

    def _follow(self, least_ns: int) -> int:
        """The rate for the next span, in parts per billion, after one of that least lateness."""
        off_ppb = least_ns * _PPB / self._span_ns
        phase_ppb = round(off_ppb / _PHASE_SPANS)
        if abs(self._drift_ppb + phase_ppb) <= _MOST_PPB:
            self._drift_ppb += round(off_ppb / _DRIFT_SPANS)
        return max(-_MOST_PPB, min(_MOST_PPB, self._drift_ppb + phase_ppb))
