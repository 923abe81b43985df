"""A radio as a source of the route: PSD frames and gaps, for as long as it is wanted."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from .block_dates import BlockDates
from .errors import BadInput
from .frames import NS_PER_S, Gap, IqBlock, PsdFrame
from .psd_rows import PsdRows
from .psd_shape import PsdShape
from .radio_blocks import RadioBlocks
from .soapy import RadioLost, SoapyRadio
from .soapy_settings import RadioSettings

_GAIN_POLL_SECONDS = 1.0


class RadioSource:
    """Iterate for `PsdFrame | Gap`; `blocks` gives the IQ itself.

    Time is the host's UTC (`clock_ns`) at the start of the stream and the count of samples from then on,
    at a rate that follows the host's clock by up to 500 ppm (`SampleClock`); it starts again where samples
    were lost and none can say how many, and where the host's clock and the count are more than
    `clock_limit_seconds` apart (a gap `clock`). The device's own time is used only to count the samples
    that an overflow lost.

    An overflow is normal: it is counted in `overflows`, ends the row, and the source goes on. The next
    row's `lost_samples` is their number, or 1 where it cannot be known (None in the gap). Under automatic
    gain the driver is asked each second what it does; a change ends the row.

    A radio that is silent for `silence_seconds`, fails or vanishes gives a gap `source`, is closed, and
    opened again after the first of `retry_seconds`, doubled at each failure up to the second; one that is
    not there at the start is waited for in the same way. `on_trouble` is told each trouble in one line.
    Iterating raises BadInput where the bindings or the driver are not installed, or the driver refuses a
    setting before the radio has ever run.

    One thread iterates; `stop` may be called from any and ends the iteration within about 0.2 s.
    """

    def __init__(
        self,
        settings: RadioSettings,
        spectrum: PsdShape,
        *,
        node: str,
        band: str,
        stream: int,
        clock_ns: Callable[[], int],
        monotonic: Callable[[], float],
        on_trouble: Callable[[str], None],
        silence_seconds: float = 3.0,
        retry_seconds: tuple[float, float] = (0.5, 30.0),
        clock_limit_seconds: float = 0.5,
    ) -> None:
        self._settings = settings
        self._spectrum = spectrum
        self._node = node
        self._band = band
        self._stream = stream
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._on_trouble = on_trouble
        self._silence_seconds = silence_seconds
        self._retry_seconds = retry_seconds
        self._clock_limit_ns = round(clock_limit_seconds * NS_PER_S)
        self._stop = threading.Event()
        self.overflows = 0
        self.reopenings = 0

    def stop(self) -> None:
        """End the iteration soon; it closes the radio itself."""
        self._stop.set()

    def __iter__(self) -> Iterator[PsdFrame | Gap]:
        rows, dates = PsdRows(self._spectrum), BlockDates()
        with closing(self.blocks()) as blocks:
            for item in blocks:
                if isinstance(item, Gap):
                    yield self._between_rows(item, rows, dates.end_ns)
                    rows.gap(item)
                    dates.break_off()
                else:
                    yield from map(dates.dated, rows.push(dates.counted(item)))

    def blocks(self) -> Generator[IqBlock | Gap]:
        """The samples themselves as they come, and the gaps between them."""
        blocks: RadioBlocks | None = None
        least_seconds, most_seconds = self._retry_seconds
        wait_seconds = 0.0
        while not self._stop.wait(wait_seconds):
            wait_seconds = min(max(2 * wait_seconds, least_seconds), most_seconds)
            try:
                radio = self._open()
            except (BadInput, RadioLost) as trouble:
                if blocks is None and isinstance(trouble, BadInput):
                    raise
                self._on_trouble(f"{trouble}; trying again in {wait_seconds:g} s")
                continue
            if blocks is None:
                blocks = RadioBlocks(self._node, self._band, self._stream, radio.state, self._clock_limit_ns)
            else:
                self.reopenings += 1
                blocks.opened_again(radio.state)
            heard_before = blocks.next_seq
            with radio:
                try:
                    yield from self._receive(radio, blocks)
                    return
                except RadioLost as trouble:
                    if blocks.next_seq > heard_before:
                        wait_seconds = least_seconds
                    self._on_trouble(f"{trouble}; opening it again in {wait_seconds:g} s")
            yield blocks.broken(self._clock_ns())

    def _open(self) -> SoapyRadio:
        return SoapyRadio(self._settings, on_problem=self._on_trouble)

    def _receive(self, radio: SoapyRadio, blocks: RadioBlocks) -> Iterator[IqBlock | Gap]:
        """Blocks until `stop`; raises RadioLost."""
        asks = self._settings.gain == "automatic"
        heard_at = asked_at = self._monotonic()
        while not self._stop.is_set():
            reading = radio.read()
            now = self._monotonic()
            if reading.event is None:
                heard_at = now
                yield from blocks.take(reading, self._clock_ns())
            elif now - heard_at >= self._silence_seconds:
                raise RadioLost(f"radio {self._settings.device!r}: no samples for {now - heard_at:.1f} s")
            if reading.event == "overflow" or reading.cut_short:
                self.overflows += 1
                blocks.mark("overflow")
            elif reading.event == "corruption":
                blocks.mark("source")
            if asks and now - asked_at >= _GAIN_POLL_SECONDS:
                asked_at = now
                blocks.changed(radio.read_back())

    def _between_rows(self, gap: Gap, rows: PsdRows, end_ns: int | None) -> Gap:
        """A gap between blocks as one between rows: what waited for a row is lost with it."""
        lost_rows = None
        if gap.lost_samples is not None:
            lost_rows = (rows.waiting_samples + gap.lost_samples) // self._spectrum.samples_per_row
        return dataclasses.replace(
            gap,
            after_seq=rows.next_seq - 1,
            lost_rows=lost_rows,
            time_ns=gap.time_ns if end_ns is None else end_ns,
        )
