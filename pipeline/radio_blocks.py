"""Readings of a radio -> numbered and dated IQ blocks, and the gaps between them."""

from __future__ import annotations

from .frames import NS_PER_S, Gap, GapReason, IqBlock
from .sample_clock import SampleClock
from .soapy import RadioState, Reading

_LOSSES: tuple[GapReason, ...] = ("overflow", "source")


class RadioBlocks:
    """What is remembered between two readings of one radio: numbers, dates, and what happened between.

    A gap is told with the first samples after it, when the loss can be counted: where the device stamps
    its samples, from the stamps; where that cannot be known it says None. After an overflow the block says
    how many were lost, too, at least 1: that gap does not travel, and is made again of the next row. The
    gaps `source` and `clock` travel, so that blocks after them tell of no loss: it would be counted twice.
    """

    def __init__(self, node: str, band: str, stream: int, state: RadioState, clock_limit_ns: int) -> None:
        self._node = node
        self._band = band
        self._stream = stream
        self._state = state
        self._clock = SampleClock(state.sample_rate_hz, clock_limit_ns)
        self._mark: GapReason | None = None
        self._lost_before = 0
        self._end_ns: int | None = None
        self._device_end_ns: int | None = None
        self.next_seq = 0

    def opened_again(self, state: RadioState) -> None:
        """The radio runs again after `broken`, perhaps otherwise than before."""
        self._state = state
        self._device_end_ns = None
        self._clock.start_again(state.sample_rate_hz)

    def broken(self, now_ns: int) -> Gap:
        """The radio was lost: the gap, at once, since nobody knows when samples will come again."""
        self._mark = None
        return self._gap("source", None, now_ns)

    def mark(self, reason: GapReason) -> None:
        """The next samples do not follow the last; a loss outweighs a change."""
        if self._mark not in _LOSSES:
            self._mark = reason

    def changed(self, state: RadioState) -> None:
        """What the driver says the radio does now."""
        before, self._state = self._state, state
        if state.sample_rate_hz != before.sample_rate_hz:
            self._clock.start_again(state.sample_rate_hz)
        if (state.sample_rate_hz, state.center_hz) != (before.sample_rate_hz, before.center_hz):
            self.mark("retuned")
        elif state.gain_db != before.gain_db:
            self.mark("gain")

    def take(self, reading: Reading, now_ns: int) -> list[IqBlock | Gap]:
        """Samples that have just been read, `now_ns` by the host's clock."""
        count = reading.samples.shape[0]
        gap_end = self._resume(reading)
        time_ns = self._clock.stamp(count, now_ns)
        items: list[IqBlock | Gap] = []
        if gap_end is not None:
            items.append(self._gap(*gap_end, time_ns))
        items.append(
            IqBlock(
                node=self._node,
                band=self._band,
                stream=self._stream,
                seq=self.next_seq,
                time_ns=time_ns,
                center_hz=self._state.center_hz,
                sample_rate_hz=self._state.sample_rate_hz,
                samples=reading.samples,
                gain_db=self._state.gain_db,
                lost_samples=self._lost_before,
            )
        )
        self.next_seq += 1
        self._lost_before = 0
        self._end_ns = time_ns + self._duration_ns(count)
        start_ns = self._device_end_ns if reading.device_ns is None else reading.device_ns
        self._device_end_ns = None if start_ns is None else start_ns + self._duration_ns(count)
        return items

    def _resume(self, reading: Reading) -> tuple[GapReason, int | None] | None:
        """Settle what happened since the last samples: why and how much, or None if these follow."""
        reason = self._mark or ("clock" if self._clock.must_start_again else None)
        if reason is None:
            return None
        self._mark = None
        lost_samples: int | None = 0
        if reason in _LOSSES:
            lost_samples = self._lost_by_stamps(reading)
        if reason == "overflow":
            self._lost_before = max(1, lost_samples or 0)
        if lost_samples is None or self._clock.must_start_again:
            self._clock.start_again(self._state.sample_rate_hz)
        else:
            self._clock.skip(lost_samples)
        return reason, lost_samples

    def _lost_by_stamps(self, reading: Reading) -> int | None:
        if reading.device_ns is None or self._device_end_ns is None:
            return None
        lost = round((reading.device_ns - self._device_end_ns) * self._state.sample_rate_hz / NS_PER_S)
        # A device whose clock went backwards was set meanwhile: it tells nothing.
        return lost if lost >= 0 else None

    def _duration_ns(self, samples: int) -> int:
        return round(samples * NS_PER_S / self._state.sample_rate_hz)

    def _gap(self, reason: GapReason, lost_samples: int | None, next_ns: int) -> Gap:
        return Gap(
            node=self._node,
            band=self._band,
            after_seq=self.next_seq - 1,
            lost_rows=None,
            lost_samples=lost_samples,
            reason=reason,
            time_ns=next_ns if self._end_ns is None else self._end_ns,
        )
