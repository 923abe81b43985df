"""IQ recordings become rows: the right spectrum, dated by counting samples, broken where some are missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.iq_rows import FEWEST_BINS, WANTED_ROWS, IqRows, iq_rows, spectrum_for
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.readers.iq_reader import Capture, IqFacts, Samples
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.tests.jig import SECOND, same

RATE_HZ = 1e6
START_NS = 1_800_000_000 * SECOND
WHO = Identity("node", "band", 7)
SPECTRUM = PowerSpectrum(bins=64, frames_per_row=4)  # 128 samples a row, 160 looked at


class Held:
    """Samples in memory, read as a file's would be."""

    def __init__(self, samples: np.ndarray, captures: list[Capture] | None = None, **changes: object) -> None:
        self.samples = samples
        whole = [Capture(0, len(samples), START_NS, 100e6)]
        self.facts = IqFacts(
            **{
                "format": "held",
                "sample_type": "cf32",
                "sample_rate_hz": RATE_HZ,
                "channels": 1,
                "captures": tuple(captures or whole),
            }
            | changes
        )

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[Samples]:
        assert channel == 0
        for start in range(first, first + samples, block_samples):
            yield self.samples[start : min(start + block_samples, first + samples)]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=samples) + 1j * random.normal(size=samples)).astype(np.complex64)


def rows_of(reader: Held, chunk_rows: int = 1024, from_ns: int | None = None) -> list[PsdFrame | Gap]:
    return list(iq_rows(reader, Opening(spectrum=SPECTRUM)).frames(WHO, chunk_rows, from_ns))


def test_rows_are_those_of_the_spectrum_and_abut_in_time() -> None:
    iq = noise(10_000)
    frames = rows_of(Held(iq))
    expected = SPECTRUM.rows(iq)
    assert len(frames) == len(expected) == 77
    for row, frame in enumerate(frames):
        assert frame.power_db.tobytes() == expected[row].tobytes()
        assert (frame.seq, frame.time_ns, frame.duration_ns) == (row, START_NS + row * 128_000, 128_000)
        assert (frame.unit, frame.bin_hz, frame.stream) == ("dBFS/bin", RATE_HZ / 64, 7)


@pytest.mark.parametrize("chunk_rows", [1, 3, 1000])
def test_the_read_size_changes_nothing(chunk_rows: int) -> None:
    iq = noise(5_000)
    assert same(rows_of(Held(iq), chunk_rows), rows_of(Held(iq)))


def test_a_tone_stands_in_the_bin_of_its_frequency() -> None:
    offset_hz = 10 * RATE_HZ / 64
    iq = np.exp(2j * np.pi * offset_hz / RATE_HZ * np.arange(2_000)).astype(np.complex64)
    frame = rows_of(Held(iq))[0]
    loudest = int(frame.power_db.argmax())
    assert frame.first_hz + loudest * frame.bin_hz == pytest.approx(100e6 + offset_hz)
    assert frame.power_db[loudest] == pytest.approx(0, abs=1e-3)


def test_reading_from_a_time_on_gives_the_same_rows() -> None:
    whole = rows_of(Held(noise(10_000)))
    late = rows_of(Held(noise(10_000)), from_ns=whole[40].time_ns)
    assert len(late) < len(whole)
    assert same(late, whole[-len(late) :])
    assert late[0].time_ns <= whole[40].time_ns


# Captures


def test_missing_samples_between_captures_are_a_gap_that_counts_them() -> None:
    later_ns = START_NS + 1_000_000 + 5_000_000  # 1000 samples last 1 ms, 5 ms are missing
    captures = [Capture(0, 1000, START_NS, 100e6), Capture(1000, 1000, later_ns, 100e6)]
    items = rows_of(Held(noise(2000), captures))
    gap = items[7]
    tail = 1000 - 7 * 128
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.after_seq, gap.lost_samples) == ("source", 6, tail + 5000)
    assert gap.lost_rows == (tail + 5000) // 128
    assert gap.time_ns == items[6].end_ns
    assert [item.seq for item in items if isinstance(item, PsdFrame)] == list(range(14))
    assert items[8].time_ns == later_ns
    assert items[8].power_db.tobytes() == SPECTRUM.rows(noise(2000)[1000:])[0].tobytes()


def test_a_capture_dated_before_the_end_of_the_last_is_the_clocks_fault() -> None:
    captures = [Capture(0, 1000, START_NS, 100e6), Capture(1000, 1000, START_NS, 100e6)]
    gaps = [item for item in rows_of(Held(noise(2000), captures)) if isinstance(item, Gap)]
    assert [(gap.reason, gap.lost_rows, gap.lost_samples) for gap in gaps] == [("clock", None, None)]


def test_another_frequency_shows_in_the_rows() -> None:
    captures = [Capture(0, 1000, START_NS, 100e6), Capture(1000, 1000, START_NS + 1_000_000, 105e6)]
    items = rows_of(Held(noise(2000), captures))
    centers = [item.center_hz for item in items]
    assert centers == [100e6 - RATE_HZ / 128] * 7 + [105e6 - RATE_HZ / 128] * 7


# How many bins


@pytest.mark.parametrize(
    ("samples", "bins", "frames"),
    [(10**9, 1024, 256), (262_144, 1024, 2), (123_861, 1024, 1), (10_999, 128, 1), (500, FEWEST_BINS, 1)],
)
def test_short_recordings_get_shorter_rows(samples: int, bins: int, frames: int) -> None:
    spectrum = spectrum_for(samples)
    assert (spectrum.bins, spectrum.frames_per_row) == (bins, frames)
    if bins > FEWEST_BINS:
        assert spectrum.rows_in(samples) >= WANTED_ROWS


def test_frames_that_stand_alone_are_a_row_each() -> None:
    iq = noise(64 * 10)
    items = list(iq_rows(Held(iq, frame_samples=64), Opening()).frames(WHO, 3, None))
    alone = PowerSpectrum(bins=64, overlap=0, frames_per_row=1)
    assert [item.power_db.tobytes() for item in items] == [
        alone.rows(iq[64 * frame : 64 * (frame + 1)])[0].tobytes() for frame in range(10)
    ]


def test_long_frames_that_stand_alone_are_a_row_each_too() -> None:
    iq = noise(3000 * 3)
    reader = iq_rows(Held(iq, frame_samples=3000), Opening())
    items = list(reader.frames(WHO, 2, None))
    assert [item.time_ns - START_NS for item in items] == [0, 3_000_000, 6_000_000]
    assert items[1].power_db.tobytes() == reader.spectrum.rows(iq[3000:6000])[0].tobytes()


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadInput, match="held recording of 20 samples; limit: 32, one row's"):
        iq_rows(Held(noise(20)), Opening())


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="channel 2; limit: 0 to 1 in this held recording"):
        iq_rows(Held(noise(500), channels=2), Opening(channel=2))


def test_samples_that_end_early_are_told() -> None:
    reader = Held(noise(1000), [Capture(0, 2000, START_NS, 0.0)])
    rows = IqRows(reader, SPECTRUM, 0)
    with pytest.raises(BadInput, match="7 rows of a capture, 15 when it was opened"):
        list(rows.frames(WHO, 10, None))


def test_after_the_first_row_asked_for_all_follow_though_the_clock_was_set_back() -> None:
    later, earlier = START_NS + 10 * SECOND, START_NS
    captures = [Capture(0, 1_000, later, 100e6), Capture(1_000, 1_000, earlier, 100e6)]
    held = Held(noise(2_000), captures)
    whole = rows_of(held)
    frames = [item for item in whole if isinstance(item, PsdFrame)]
    from_ns = frames[3].time_ns
    late = [
        item for item in rows_of(held, from_ns=from_ns) if item.time_ns >= from_ns or item.time_ns < later
    ]
    assert same(late, whole[3:])
