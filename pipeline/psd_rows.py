"""The stage that turns a stream of IQ blocks into PSD frames, and dates them by counting samples."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from .errors import BadInput
from .frames import NS_PER_S, Complex64, Gap, IqBlock, PsdFrame, read_only
from .iq_samples import as_samples
from .psd_shape import PsdShape

CLOCK_LIMIT_NS = 1_000_000
"""A block whose own time departs further from the count of samples than this does not follow the last."""


class PsdRows:
    """IqBlock -> PsdFrame in dBFS/bin; what is left of a block waits for the next.

    The first block after a start or a break dates the rows: a row's `time_ns` is that block's time plus
    the samples since, in whole numbers, so that nothing drifts however long it runs. `duration_ns` is
    that of `samples_per_row` samples. `center_hz` is that of the band, as frames define it: with an even
    number of bins half a bin below the tuner's frequency, which is the centre of bin `bins / 2`.

    A block starts anew, and what waited is left out, where it does not follow the last: another stream,
    rate, centre or gain, lost samples before it, or a time of its own more than `CLOCK_LIMIT_NS` off.
    Samples lost are told by the next row. Rows are numbered from 0 in each stream.

    Raises BadInput for a block whose samples or rate cannot be used.
    """

    def __init__(self, spectrum: PsdShape) -> None:
        self._spectrum = spectrum
        self.reset()

    @property
    def waiting_samples(self) -> int:
        """Samples taken that are in no row yet."""
        return self._received - self._used

    def reset(self) -> None:
        """Forget everything, numbers of rows too."""
        self._break()
        self._stream: int | None = None
        self.next_seq = 0
        self.end_ns: int | None = None
        self._lost_samples = 0

    def gap(self, gap: Gap) -> list[PsdFrame]:
        """The samples that waited make no row."""
        del gap  # why does not matter here, nor how much: the next block tells it
        self._break()
        return []

    def push(self, item: IqBlock) -> list[PsdFrame]:
        """Take a block; return the rows it completes."""
        samples = as_samples(item.samples)
        if not (np.isfinite(item.sample_rate_hz) and item.sample_rate_hz > 0):
            raise BadInput(f"IQ block sample_rate_hz is {item.sample_rate_hz}: must be above 0")
        if item.stream != self._stream:
            self._stream = item.stream
            self.next_seq = 0
            self._break()
        if not self._follows(item):
            self._break()
        self._lost_samples += item.lost_samples
        if self._first is None:
            self._first = item
            self._ns_per_sample = NS_PER_S / Fraction(item.sample_rate_hz)
        self._waiting.append(samples)
        self._received += samples.shape[0]
        if self.waiting_samples < self._spectrum.samples_needed:
            return []
        return self._make_rows(self._first)

    def _break(self) -> None:
        self._first: IqBlock | None = None
        self._ns_per_sample = Fraction(0)
        self._waiting: list[Complex64] = []
        self._received = 0
        self._used = 0

    def _follows(self, block: IqBlock) -> bool:
        first = self._first
        if first is None:
            return True
        return (
            block.lost_samples == 0
            and (block.node, block.band) == (first.node, first.band)
            and block.sample_rate_hz == first.sample_rate_hz
            and block.center_hz == first.center_hz
            and block.gain_db == first.gain_db
            and abs(block.time_ns - self._time_ns(first, self._received)) <= CLOCK_LIMIT_NS
        )

    def _time_ns(self, first: IqBlock, sample: int) -> int:
        return first.time_ns + round(sample * self._ns_per_sample)

    def _make_rows(self, first: IqBlock) -> list[PsdFrame]:
        spectrum = self._spectrum
        samples = np.concatenate(self._waiting)
        bin_hz = first.sample_rate_hz / spectrum.bins
        # fftshift puts the tuner's frequency at bin bins // 2; the middle of the band is (bins - 1) / 2.
        center_hz = first.center_hz + ((spectrum.bins - 1) / 2 - spectrum.bins // 2) * bin_hz
        duration_ns = round(spectrum.samples_per_row * self._ns_per_sample)
        frames: list[PsdFrame] = []
        for power_db in spectrum.rows(samples):
            frame = PsdFrame(
                node=first.node,
                band=first.band,
                stream=first.stream,
                seq=self.next_seq,
                time_ns=self._time_ns(first, self._used),
                duration_ns=duration_ns,
                center_hz=center_hz,
                bin_hz=bin_hz,
                # A row of its own, so that keeping one does not keep all that came with it.
                power_db=read_only(power_db.copy()),
                unit="dBFS/bin",
                gain_db=first.gain_db,
                lost_samples=self._lost_samples,
            )
            frames.append(frame)
            self.next_seq += 1
            self._used += spectrum.samples_per_row
            self._lost_samples = 0
            self.end_ns = frame.end_ns
        self._waiting = [samples[len(frames) * spectrum.samples_per_row :].copy()]
        return frames
