"""IQ recordings as rows: every capture through `PowerSpectrum`, dated by counting its samples."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import numpy as np

from .errors import BadInput
from .frames import NS_PER_S, Float32, Gap, PsdFrame, read_only
from .psd import PowerSpectrum
from .psd_shape import PsdShape
from .readers.iq_reader import Capture, IqReader, Samples
from .readers.reader import Identity, Opening, RowFacts

FULL_BINS = 1024
FULL_FRAMES = 256
FEWEST_BINS = 32
WANTED_ROWS = 128
READ_SAMPLES = 1 << 21


def iq_rows(reader: IqReader, opening: Opening) -> IqRows:
    """The rows of one channel; `BadInput` where there is no such channel or not one row's samples.

    Without `opening.spectrum`: `spectrum_for` the longest capture, or a frame where frames stand alone.
    """
    facts = reader.facts
    if not 0 <= opening.channel < facts.channels:
        raise BadInput(
            f"channel {opening.channel}; limit: 0 to {facts.channels - 1} in this {facts.format} recording"
        )
    spectrum = opening.spectrum
    if facts.frame_samples is not None:
        spectrum = _spectrum_of_frames(facts.frame_samples)
    elif spectrum is None:
        spectrum = spectrum_for(max((each.samples for each in facts.captures), default=0))
    return IqRows(reader, spectrum, opening.channel)


def spectrum_for(samples: int) -> PowerSpectrum:
    """The spectrum whose rows show so many samples best: 1024 bins and 256 frames a row if that can be.

    Short recordings: frames a row are halved until there are at least 128 rows, down to one, then the
    bins, down to 32.
    """
    bins, frames = FULL_BINS, FULL_FRAMES
    while True:
        spectrum = PowerSpectrum(bins=bins, frames_per_row=frames)
        if spectrum.rows_in(samples) >= WANTED_ROWS or (frames == 1 and bins == FEWEST_BINS):
            return spectrum
        if frames > 1:
            frames //= 2
        else:
            bins //= 2


def _spectrum_of_frames(samples: int) -> PowerSpectrum:
    """One row a frame of so many samples."""
    if samples <= FULL_BINS:
        return PowerSpectrum(bins=samples, overlap=0.0, frames_per_row=1)
    return PowerSpectrum(bins=FULL_BINS, frames_per_row=(samples - FULL_BINS) // (FULL_BINS // 2) + 1)


class IqRows:
    """FrameReader of one channel of an IQ recording; `iq` gives the samples themselves.

    Row r of a capture begins with sample `r * samples_per_row` of it. Samples at a capture's end that fill
    no row make none. Between two captures of one frequency stands a `Gap`; another frequency shows in the
    rows, whose `center_hz` changes. Memory: 2 million samples, or one row's.
    """

    def __init__(self, iq: IqReader, spectrum: PsdShape, channel: int) -> None:
        self.iq = iq
        self.spectrum = spectrum
        self.channel = channel
        facts = iq.facts
        self._ns_per_sample = NS_PER_S / Fraction(facts.sample_rate_hz)
        self._stride = facts.frame_samples or spectrum.samples_per_row
        self._bin_hz = facts.sample_rate_hz / spectrum.bins
        rows = [self._rows_of(capture) for capture in facts.captures]
        if not sum(rows):
            longest = max((each.samples for each in facts.captures), default=0)
            raise BadInput(
                f"{facts.format} recording of {longest} samples; limit: {spectrum.samples_needed}, one row's"
            )
        busy = [(each, count) for each, count in zip(facts.captures, rows, strict=True) if count]
        self.facts = RowFacts(
            format=facts.format,
            value_type=facts.sample_type,
            rows=sum(rows),
            bins=spectrum.bins,
            first_hz=self._center_hz(busy[0][0]) - (spectrum.bins - 1) / 2 * self._bin_hz,
            bin_hz=self._bin_hz,
            unit=facts.unit,
            step_ns=self._after(self._stride),
            start_ns=min(each.time_ns for each, _ in busy),
            end_ns=max(each.time_ns + self._after(count * self._stride) for each, count in busy),
            node=facts.node,
            band=facts.band,
            problems=facts.problems + self._retunings([each for each, _ in busy]),
            notes=(*facts.notes, *self._notes(rows)),
        )

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        first_row = 0
        before: Capture | None = None
        for capture in self.iq.facts.captures:
            count = self._rows_of(capture)
            skip = self._rows_before(capture, count, from_ns)
            # Once a row was late enough all that follow it belong, though the clock was set back.
            if count and from_ns is not None and self._last_start(capture, count) >= from_ns:
                from_ns = None
            if skip == count:
                first_row += count
                before = None if skip else before
                continue
            if before is not None and before.center_hz == capture.center_hz:
                yield self._gap_between(before, capture, identity, first_row)
            for row, power_db in enumerate(self._powers(capture, chunk_rows, skip, count), start=skip):
                yield PsdFrame(
                    node=identity.node,
                    band=identity.band,
                    stream=identity.stream,
                    seq=first_row + row,
                    time_ns=capture.time_ns + self._after(row * self._stride),
                    duration_ns=self.facts.step_ns,
                    center_hz=self._center_hz(capture),
                    bin_hz=self._bin_hz,
                    power_db=read_only(power_db.copy()),
                    unit=self.facts.unit,
                    gain_db=self.iq.facts.gain_db,
                )
            first_row += count
            before = capture

    def _rows_of(self, capture: Capture) -> int:
        alone = self.iq.facts.frame_samples
        return self.spectrum.rows_in(capture.samples) if alone is None else capture.samples // alone

    def _after(self, samples: int) -> int:
        """ns from a capture's start to that of its sample."""
        return round(samples * self._ns_per_sample)

    def _center_hz(self, capture: Capture) -> float:
        # The capture's frequency is the centre of bin bins // 2; a band's middle is (bins - 1) / 2.
        bins = self.spectrum.bins
        return capture.center_hz + ((bins - 1) / 2 - bins // 2) * self._bin_hz

    def _rows_before(self, capture: Capture, count: int, from_ns: int | None) -> int:
        """Rows of a capture that certainly begin before `from_ns`."""
        if from_ns is None or from_ns <= capture.time_ns:
            return 0
        samples = int((from_ns - capture.time_ns) / self._ns_per_sample)
        return min(count, max(0, samples // self._stride - 1))

    def _last_start(self, capture: Capture, count: int) -> int:
        """Start in ns of the last of a capture's rows."""
        return capture.time_ns + self._after((count - 1) * self._stride)

    def _powers(self, capture: Capture, chunk_rows: int, skip: int, count: int) -> Iterator[Float32]:
        """Power of rows [skip, count) of a capture, one by one."""
        stride = self._stride
        first, total = capture.first + skip * stride, capture.samples - skip * stride
        block_samples = max(1, min(chunk_rows * stride, READ_SAMPLES))
        done, held = skip, np.empty(0)
        waiting: list[Samples] = []
        for block in self.iq.blocks(self.channel, first, total, block_samples):
            waiting.append(block)
            have = sum(len(each) for each in waiting)
            if have < max(self.spectrum.samples_needed, stride):
                continue
            held = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            powers = self._rows_in(held)[: count - done]
            yield from powers
            done += len(powers)
            # A copy: a view would keep the whole block.
            waiting = [held[len(powers) * stride :].copy()]
        if done < count:
            raise BadInput(
                f"{self.facts.format} recording: {done} rows of a capture, {count} when it was opened"
            )

    def _rows_in(self, samples: Samples) -> Float32:
        alone = self.iq.facts.frame_samples
        if alone is None or alone == self.spectrum.samples_per_row == self.spectrum.bins:
            return self.spectrum.rows(samples)
        frames = len(samples) // alone
        return np.concatenate([self.spectrum.rows(samples[i * alone :][:alone])[:1] for i in range(frames)])

    def _gap_between(self, before: Capture, capture: Capture, identity: Identity, row: int) -> Gap:
        end_ns = before.time_ns + self._after(before.samples)
        tail = before.samples - self._rows_of(before) * self._stride
        missing = round((capture.time_ns - end_ns) / self._ns_per_sample)
        lost = tail + missing if missing >= 0 else None
        return Gap(
            node=identity.node,
            band=identity.band,
            after_seq=row - 1,
            lost_rows=None if lost is None else lost // self._stride,
            lost_samples=lost,
            reason="source" if missing >= 0 else "clock",
            time_ns=before.time_ns + self._after(self._rows_of(before) * self._stride),
        )

    def _retunings(self, captures: list[Capture]) -> tuple[str, ...]:
        times = sum(a.center_hz != b.center_hz for a, b in pairwise(captures))
        if not times:
            return ()
        return (f"retuned {times} times: no window spans one; the frequencies told are those of the start",)

    def _notes(self, rows: list[int]) -> Iterator[tuple[str, str]]:
        facts, spectrum = self.iq.facts, self.spectrum
        yield "samples", f"{facts.samples:,} at {facts.sample_rate_hz / 1e6:.9g} MS/s"
        if facts.channels > 1:
            yield "channel", f"{self.channel} of {facts.channels} (from 0)"
        yield (
            "spectrum",
            f"{spectrum.bins} bins, {spectrum.window}, {spectrum.frames_per_row} frames a row,"
            f" overlap {spectrum.overlap:g}, noise bandwidth {spectrum.enbw_bins:.4g} bins",
        )
        if len(facts.captures) > 1:
            centers = sorted({each.center_hz for each in facts.captures})
            where = ", ".join(f"{center / 1e6:.9g}" for center in centers[:6])
            yield "captures", f"{len(facts.captures):,} at {where}{' ...' * (len(centers) > 6)} MHz"
        unused = facts.samples - sum(rows) * self._stride
        if unused:
            yield "samples in no row", f"{unused:,}, at the ends of captures"
        for each in facts.annotations[:10]:
            yield "annotation", f"{each.text or '(no text)'} at sample {each.first:,}"
        if len(facts.annotations) > 10:
            yield "annotations", f"{len(facts.annotations):,} in all"
