"""hackrf_sweep's CSV and binary: a tone is where it was, in every sweep, whatever happened to the file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers import hackrf_sweep_binary, hackrf_sweep_csv
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.jig import same

RATE_HZ = 20_000_000
POINTS = 212  # an odd multiple of four, as the program makes it
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * 1_000_000_000
SWEEP = timedelta(milliseconds=25)
TONE_HZ = 2_431_234_567
UTC_ZONE = ZoneInfo("UTC")
Piece = tuple[int, np.ndarray]


def tuning(frequency: int, tone_hz: float, seed: int) -> Iterator[Piece]:
    """The two pieces of 5 MHz that `rx_callback` takes from one FFT, its local oscillator at +7.5 MHz."""
    random = np.random.default_rng([frequency, seed])
    offset_hz = tone_hz - (frequency + 7_500_000)
    heard = np.exp(2j * np.pi * offset_hz / RATE_HZ * np.arange(POINTS)) * (abs(offset_hz) < RATE_HZ / 2)
    samples = heard + random.normal(0, 1e-4, POINTS)
    spectrum = np.fft.fft(samples * np.hanning(POINTS)) / POINTS
    power = (20 * np.log10(np.abs(spectrum))).astype(np.float32)
    lower, upper = 1 + POINTS * 5 // 8, 1 + POINTS // 8
    yield frequency, power[lower : lower + POINTS // 4]
    yield frequency + RATE_HZ // 2, power[upper : upper + POINTS // 4]


def sweep(low_mhz: int, high_mhz: int, tone_hz: float = TONE_HZ, seed: int = 0) -> list[Piece]:
    """One sweep, interleaved: every 20 MHz are taken twice, the second time 5 MHz higher."""
    steps = range(low_mhz * 1_000_000, high_mhz * 1_000_000, RATE_HZ)
    return [
        piece for step in steps for low in (step, step + 5_000_000) for piece in tuning(low, tone_hz, seed)
    ]


def csv(pieces: list[Piece], at: datetime) -> str:
    """The lines that `fprintf` makes of pieces."""
    stamp = f"{at:%Y-%m-%d, %H:%M:%S}.{at.microsecond:06d}"
    return "".join(
        f"{stamp}, {low}, {low + 5_000_000}, {RATE_HZ / POINTS:.2f}, {POINTS}"
        + "".join(f", {value:.2f}" for value in power)
        + "\n"
        for low, power in pieces
    )


def binary(pieces: list[Piece]) -> bytes:
    """The records that `fwrite` makes of pieces."""
    return b"".join(
        struct.pack("<IQQ", 16 + power.nbytes, low, low + 5_000_000) + power.tobytes()
        for low, power in pieces
    )


def open_csv(path: Path, text: str | bytes, zone: ZoneInfo | None = UTC_ZONE):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return hackrf_sweep_csv.FORMAT.open(path, Sidecar(path=path), Opening(time_zone=zone))


def open_binary(path: Path, content: bytes):
    path.write_bytes(content)
    sidecar = Sidecar(path=path, start_ns=START_NS, step_ns=25_000_000)
    return hackrf_sweep_binary.FORMAT.open(path, sidecar, Opening())


def items(reader, chunk_rows: int = 3) -> list[PsdFrame | Gap]:
    return list(reader.frames(Identity("node", "band", 1), chunk_rows, None))


def rows(reader) -> np.ndarray:
    return np.array([item.power_db for item in items(reader) if isinstance(item, PsdFrame)])


def ordered(pieces: list[Piece]) -> np.ndarray:
    return np.concatenate([power for _, power in sorted(pieces, key=lambda piece: piece[0])])


def test_a_tone_is_in_the_bin_of_its_frequency(tmp_path):
    reader = open_binary(tmp_path / "a.bin", binary(sweep(2400, 2460)))
    facts, row = reader.facts, rows(reader)[0]
    loudest_hz = facts.first_hz + int(row.argmax()) * facts.bin_hz
    assert abs(loudest_hz - TONE_HZ) <= facts.bin_hz / 2
    assert -8 < row.max() <= -6  # the window's coherent gain, and what falls between two bins
    assert facts.bins * facts.bin_hz == pytest.approx(60e6)
    assert facts.first_hz == pytest.approx(2400e6 + facts.bin_hz / 2)
    assert facts.unit == "dBFS/bin"


def test_csv_and_binary_are_the_same_rows(tmp_path):
    sweeps = [sweep(2400, 2440, seed=seed) for seed in range(5)]
    text = "".join(csv(pieces, START + turn * SWEEP) for turn, pieces in enumerate(sweeps))
    by_text = open_csv(tmp_path / "a.csv", text)
    by_bytes = open_binary(tmp_path / "a.bin", b"".join(map(binary, sweeps)))
    truth = np.array([ordered(pieces) for pieces in sweeps])
    np.testing.assert_array_equal(rows(by_bytes), truth)
    np.testing.assert_allclose(rows(by_text), truth, atol=0.00501)
    for reader in (by_text, by_bytes):
        assert [item.time_ns for item in items(reader)] == [START_NS + turn * 25_000_000 for turn in range(5)]
        assert reader.facts.step_ns == 25_000_000
        assert reader.facts.problems == ()
    # The width of a bin comes from the edges: what the lines say of it is rounded.
    assert by_text.facts.bin_hz == pytest.approx(RATE_HZ / POINTS, rel=1e-12)


def test_a_time_that_changes_within_a_sweep_is_that_of_its_first_line(tmp_path):
    text = ""
    for turn in range(4):
        pieces = sweep(2400, 2440, seed=turn)
        text += csv(pieces[:3], START + turn * SWEEP)
        text += csv(pieces[3:], START + turn * SWEEP + timedelta(microseconds=900))
    found = items(open_csv(tmp_path / "a.csv", text))
    assert [item.time_ns for item in found] == [START_NS + turn * 25_000_000 for turn in range(4)]


def test_short_sweeps_of_one_transfer_are_spread_over_it(tmp_path):
    text = "".join(
        csv(sweep(2400, 2420, seed=turn), START + turn // 8 * timedelta(microseconds=19_661))
        for turn in range(64)
    )
    found = items(open_csv(tmp_path / "a.csv", text))
    assert not [item for item in found if isinstance(item, Gap)]
    assert np.all(np.diff([item.time_ns for item in found]) > 0)


def test_local_times_are_those_of_the_zone_given(tmp_path):
    text = csv(sweep(2400, 2420), START) + csv(sweep(2400, 2420), START + SWEEP)
    berlin = open_csv(tmp_path / "a.csv", text, ZoneInfo("Europe/Berlin"))
    assert berlin.facts.start_ns == START_NS - 7200 * 1_000_000_000
    unknown = open_csv(tmp_path / "a.csv", text, None)
    assert unknown.facts.start_ns == START_NS
    assert unknown.facts.problems[0].startswith("local times of an unknown zone taken as UTC")


def test_a_clock_set_back_is_a_gap(tmp_path):
    text = "".join(csv(sweep(2400, 2440), START + turn * SWEEP) for turn in (0, 1, 2, -900, -899))
    gaps = [item for item in items(open_csv(tmp_path / "a.csv", text)) if isinstance(item, Gap)]
    assert [(gap.after_seq, gap.reason) for gap in gaps] == [(2, "clock")]


def test_a_cut_tail_and_a_broken_line_leave_their_bins_empty(tmp_path):
    pieces = [sweep(2400, 2440, seed=seed) for seed in range(3)]
    text = "".join(csv(each, START + turn * SWEEP) for turn, each in enumerate(pieces))
    lines = text.splitlines(keepends=True)
    lines[10] = lines[10][:70] + "#!" + lines[10][110:]
    reader = open_csv(tmp_path / "a.csv", "".join(lines)[:-40])
    found, bins = rows(reader), POINTS // 4
    assert [int(np.isnan(row).sum()) for row in found] == [0, bins, bins]
    np.testing.assert_allclose(found[1][2 * bins :], ordered(pieces[1])[2 * bins :], atol=0.00501)
    assert any(problem.startswith("line 11: ") for problem in reader.facts.problems)
    assert any(problem.startswith("line 24: ") for problem in reader.facts.problems)


def test_garbage_among_records_is_passed_over(tmp_path):
    whole = [binary(sweep(2400, 2440, seed=seed)) for seed in range(3)]
    content = whole[0] + b"\x00garbage" * 9 + whole[1] + whole[2][:-10]
    reader = open_binary(tmp_path / "a.bin", content)
    found = rows(reader)
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2]).sum() == POINTS // 4
    record = 20 + POINTS
    assert reader.facts.problems[:2] == (
        f"byte {len(whole[0])}: 72 bytes are no record: left out",
        f"byte {len(content) + 10 - record}: {record - 10} bytes of a record, which is cut: left out",
    )


def test_power_that_is_no_number_comes_as_it_is(tmp_path):
    pieces = sweep(2400, 2420)
    pieces[0][1][:3] = [-np.inf, np.nan, np.inf]
    for reader in (
        open_binary(tmp_path / "a.bin", binary(pieces)),
        open_csv(tmp_path / "a.csv", csv(pieces, START)),
    ):
        np.testing.assert_array_equal(rows(reader)[0][:3], [-np.inf, np.nan, np.inf])


def test_how_much_is_read_at_a_time_changes_nothing(tmp_path):
    content = b"".join(binary(sweep(2400, 2420, seed=seed)) for seed in range(9))
    reader = open_binary(tmp_path / "a.bin", content)
    assert same(items(reader, 1), items(reader, 100))


def test_each_is_told_from_the_other_formats(tmp_path):
    one = sweep(2400, 2420)
    rtl_power = b"2026-07-01, 12:00:00, 2400000000, 2405000000, 94339.62, 212, -50.00, -51.00\n"
    assert hackrf_sweep_csv.FORMAT.matches(tmp_path, csv(one, START).encode()[:4096])
    assert not hackrf_sweep_csv.FORMAT.matches(tmp_path, rtl_power)
    assert hackrf_sweep_binary.FORMAT.matches(tmp_path, binary(one)[:4096])
    for head in (b"SDRFF" + bytes(100), bytes(4096), rtl_power, b""):
        assert not hackrf_sweep_binary.FORMAT.matches(tmp_path, head)


@pytest.mark.parametrize("content", [b"", b"x", bytes(100), b"\xff" * 100])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, content):
    with pytest.raises(BadInput, match=r"does not begin with a record; limit: its length") as error:
        open_binary(tmp_path / "a.bin", content)
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="no line of hackrf_sweep can be read"):
        open_csv(tmp_path / "a.csv", content)


def test_sweeps_beyond_the_calendar_are_refused(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(binary(sweep(2400, 2420)) * 3)
    sidecar = Sidecar(path=path, start_ns=START_NS, step_ns=4 * 10**18)
    with pytest.raises(BadInput, match="2116-02-20"):
        hackrf_sweep_binary.FORMAT.open(path, sidecar, Opening())


RECORDS = st.sampled_from([binary([piece]) for piece in sweep(2400, 2440)])
LINES = st.sampled_from([csv([piece], START).encode() for piece in sweep(2400, 2440)])


@given(st.lists(st.one_of(RECORDS, st.binary(max_size=60)), max_size=6), st.integers(0, 300))
def test_no_bytes_do_worse_to_binary_than_bad_input(tmp_path_factory, chunks, cut):
    content = b"".join(chunks)
    survives(lambda path: open_binary(path, content[: max(0, len(content) - cut)]), tmp_path_factory)


@given(
    st.lists(st.one_of(LINES, st.binary(max_size=60)), max_size=6), st.integers(0, 300), st.binary(max_size=3)
)
def test_no_bytes_do_worse_to_csv_than_bad_input(tmp_path_factory, chunks, at, put):
    content = b"".join(chunks)
    content = content[:at] + put + content[at + len(put) :]
    survives(lambda path: open_csv(path, content), tmp_path_factory)


def survives(opened, tmp_path_factory) -> None:
    try:
        reader = opened(tmp_path_factory.mktemp("fuzz") / "a")
        found = rows(reader)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert found.shape == (reader.facts.rows, reader.facts.bins)


def test_a_byte_order_mark_empty_lines_and_windows_line_ends_change_nothing(tmp_path):
    plain = csv(sweep(2400, 2440), START) + csv(sweep(2400, 2440, seed=1), START + SWEEP)
    other = b"\xef\xbb\xbf\r\n" + plain.replace("\n", "\r\n\r\n").encode()
    assert hackrf_sweep_csv.FORMAT.matches(tmp_path / "b.csv", other[:4096])
    assert same(items(open_csv(tmp_path / "a.csv", plain)), items(open_csv(tmp_path / "b.csv", other)))
    assert open_csv(tmp_path / "b.csv", other).facts.problems == ()
