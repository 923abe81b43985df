"""ElectroSense's CSV: nanoseconds as they are written, every hop its share, broken lines told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers.es_sensor_csv import FORMAT
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.jig import same

SECOND = 1_000_000_000
START_S = 1_780_000_000
RATE_HZ, POINTS = 2_400_000, 256
HOP_HZ = 2_000_000  # a sixth less than the sample rate
BIN_HZ = RATE_HZ / POINTS


def sink(seconds: int, nanoseconds: int, center_hz: int, power) -> str:
    """A line as `FileSink::run` writes it: nothing padded, five digits, a comma after every value."""
    return f"{seconds}.{nanoseconds},{center_hz}," + "".join(f"{value:.5g}," for value in power) + "\n"


def heard(center_hz: float, tone_hz: float) -> np.ndarray:
    """The spectrum of a hop with one tone in it, low towards its edges as the receiver's filter makes it."""
    frequencies_hz = center_hz + (np.arange(POINTS) - POINTS // 2) * BIN_HZ
    roll_off_db = 40 * np.maximum(0, np.abs(frequencies_hz - center_hz) / RATE_HZ - 0.43)
    return np.where(np.abs(frequencies_hz - tone_hz) <= BIN_HZ / 2, 30.0, -20.0) - roll_off_db


def sweep(seconds: int, nanoseconds: int = 0, hops: int = 4, tone_hz: float = 504_321_000) -> list[str]:
    centers_hz = [500_000_000 + HOP_HZ // 2 + hop * HOP_HZ for hop in range(hops)]
    return [
        sink(seconds, nanoseconds + 30_000_000 * hop, center_hz, heard(center_hz, tone_hz))
        for hop, center_hz in enumerate(centers_hz)
    ]


def opened(path: Path, text: str | bytes, **sidecar):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return FORMAT.open(path, Sidecar(path=path, **({"sample_rate_hz": RATE_HZ} | sidecar)), Opening())


def items(reader, chunk_rows: int = 2) -> list[PsdFrame | Gap]:
    return list(reader.frames(Identity("node", "band", 1), chunk_rows, None))


def rows(reader) -> np.ndarray:
    return np.array([item.power_db for item in items(reader) if isinstance(item, PsdFrame)])


@pytest.mark.parametrize("tone_hz", [500_700_000, 502_000_000, 504_321_000, 507_990_000])
def test_a_tone_stands_once_and_at_its_frequency(tmp_path, tone_hz):
    reader = opened(tmp_path / "a.csv", "".join(sweep(START_S, tone_hz=tone_hz)))
    row, facts = rows(reader)[0], reader.facts
    loud = np.flatnonzero(row > 0)
    # At a border between two hops each may hold it, half a bin apart.
    assert len(loud) <= 2
    assert np.abs(facts.first_hz + loud * facts.bin_hz - tone_hz).max() <= BIN_HZ
    assert facts.unit == "dB"
    assert facts.bin_hz == pytest.approx(BIN_HZ)


def test_hops_meet_without_the_roll_off_of_their_filters(tmp_path):
    reader = opened(tmp_path / "a.csv", "".join(sweep(START_S, tone_hz=0)))
    np.testing.assert_array_equal(rows(reader)[0], np.full(reader.facts.bins, -20, np.float32))
    span_hz = reader.facts.bins * reader.facts.bin_hz
    assert span_hz == pytest.approx(4 * HOP_HZ, abs=3 * BIN_HZ)
    assert dict(reader.facts.notes)["read of each hop"].startswith("2 MHz of 2.4: the way between hops")


def test_nanoseconds_are_not_padded(tmp_path):
    stamps = enumerate([5, 50, 10**8])
    text = "".join(sink(START_S + turn, nano, 501_000_000, [1, 2, 3, 4]) for turn, nano in stamps)
    found = items(opened(tmp_path / "a.csv", text))
    starts_ns = [START_S * SECOND + 5, (START_S + 1) * SECOND + 50, (START_S + 2) * SECOND + 10**8]
    assert [item.time_ns for item in found] == starts_ns


def test_a_single_hop_is_left_whole(tmp_path):
    power = np.arange(-20, 12)
    text = "".join(sink(START_S + turn, 0, 100_000_000, power) for turn in range(3))
    reader = opened(tmp_path / "a.csv", text)
    np.testing.assert_array_equal(rows(reader), [power] * 3)
    assert reader.facts.first_hz == 100e6 - 16 * RATE_HZ / 32
    assert reader.facts.step_ns == SECOND


def test_a_sample_rate_that_nobody_said_is_told(tmp_path):
    reader = opened(tmp_path / "a.csv", "".join(sweep(START_S)), sample_rate_hz=None)
    assert reader.facts.bin_hz == pytest.approx(BIN_HZ)
    assert reader.facts.problems[0].startswith("sample rate not known: taken for es-sensor's 2.4 MS/s")
    with pytest.raises(BadInput, match="hops of 2000000 Hz, wider than the 1000000 Hz sampled"):
        opened(tmp_path / "a.csv", "".join(sweep(START_S)), sample_rate_hz=1e6)


def test_a_clock_set_back_is_a_gap(tmp_path):
    text = "".join(line for second in (10, 11, 12, 3, 4) for line in sweep(START_S + second))
    gaps = [item for item in items(opened(tmp_path / "a.csv", text)) if isinstance(item, Gap)]
    assert [(gap.after_seq, gap.reason) for gap in gaps] == [(2, "clock")]


def test_a_cut_tail_and_broken_lines_are_told_and_left_out(tmp_path):
    lines = [line for second in range(3) for line in sweep(START_S + second)]
    lines[6] = lines[6].replace("-20,", "-20,word,", 1)
    reader = opened(tmp_path / "a.csv", "".join(lines)[:-3])
    share = HOP_HZ / BIN_HZ
    missing = [int(np.isnan(row).sum()) for row in rows(reader)]
    assert missing[0] == 0
    assert missing[1:] == [pytest.approx(share, abs=3), pytest.approx(share, abs=3)]
    assert reader.facts.problems[:2] == (
        "line 7: not seconds.nanoseconds,center,dB,...,: left out",
        "line 12: not seconds.nanoseconds,center,dB,...,: left out",
    )


def test_power_that_is_no_number_comes_as_it_is(tmp_path):
    power = np.array([-np.inf, np.nan, np.inf, -1.0])
    found = rows(opened(tmp_path / "a.csv", sink(START_S, 0, 10**8, power) * 2))
    np.testing.assert_array_equal(found[0], power)


def test_how_much_is_read_at_a_time_changes_nothing(tmp_path):
    text = "".join(line for second in range(9) for line in sweep(START_S + second))
    reader = opened(tmp_path / "a.csv", text)
    assert same(items(reader, 1), items(reader, 100))


def test_it_is_told_from_other_tables(tmp_path):
    assert FORMAT.matches(tmp_path, sweep(START_S)[0].encode()[:4096])
    assert FORMAT.matches(tmp_path, sink(START_S, 7, 10**8, range(9000)).encode()[:4096])
    rtl_power = b"2026-07-01, 12:00:00, 1, 2, 3, 4, -5\n"
    for head in (b"1.5,2.5,3.5\n", b"1780000000.5,100000000,3\n", rtl_power, b""):
        assert not FORMAT.matches(tmp_path, head)


@pytest.mark.parametrize("content", ["", "\n\n", "1.5,2.5\n", "1780000000.5,100000000,\n", "\0" * 99])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, content):
    with pytest.raises(BadInput, match="no line of es_sensor can be read") as error:
        opened(tmp_path / "a.csv", content)
    assert "\n" not in str(error.value)


LINES = st.sampled_from([sink(START_S, 5, 10**8, range(5)).encode(), sink(9, 0, 10**12, [1]).encode()])
TEXT = st.text(alphabet="0123456789.,-+einfa\n _", max_size=40).map(str.encode)


@given(st.lists(st.one_of(LINES, TEXT, st.binary(max_size=20)), max_size=6), st.integers(0, 60))
def test_no_bytes_do_worse_than_bad_input(tmp_path_factory, chunks, cut):
    content = b"".join(chunks)
    try:
        reader = opened(tmp_path_factory.mktemp("fuzz") / "a", content[: max(0, len(content) - cut)])
        found = rows(reader)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert found.shape == (reader.facts.rows, reader.facts.bins)


def test_a_byte_order_mark_empty_lines_and_windows_line_ends_change_nothing(tmp_path):
    plain = "".join(sweep(START_S) + sweep(START_S + 1))
    other = b"\xef\xbb\xbf\r\n" + plain.replace("\n", "\r\n\r\n").encode()
    assert FORMAT.matches(tmp_path / "b.csv", other[:4096])
    one, two = opened(tmp_path / "a.csv", plain), opened(tmp_path / "b.csv", other)
    assert same(items(one), items(two))
    assert one.facts == two.facts
