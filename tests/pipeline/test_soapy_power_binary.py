"""soapy_power's binary: every hop as its own reader reads it, its times put right, broken files survived."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.readers.soapy_power_binary import FORMAT
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.jig import same

SECOND = 1_000_000_000
START = datetime(2026, 7, 1, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * SECOND
UTC_ZONE = ZoneInfo("UTC")
BINS, BIN_HZ = 64, 31_250.0


def record(center_hz: float, start_s: float, power: np.ndarray, **changes) -> bytes:
    """One hop as `SoapyPowerBinWriter.write` writes it: frequencies of `fftfreq`, shifted."""
    frequencies = np.fft.fftshift(np.fft.fftfreq(BINS, 1 / (BINS * BIN_HZ))) + center_hz
    fields = {
        "version": 2,
        "time_start": start_s,
        "time_stop": start_s + 0.25,
        "start": frequencies[0],
        "stop": frequencies[-1] + BIN_HZ,
        "step": frequencies[1] - frequencies[0],
        "samples": 65_536,
        "size": power.nbytes,
    } | changes
    return b"SDRFF" + struct.pack("<BdddddQQ2x", *fields.values()) + power.tobytes()


def powers(seed: int, dtype: str = "f4") -> np.ndarray:
    return np.random.default_rng(seed).normal(-90, 3, BINS).astype(dtype)


def sweeps(count: int, hops: int = 3, dtype: str = "f4", ahead_s: float = 0) -> bytes:
    """Hops side by side, half a second each; stamps are ahead by what the recorder's clock made of them."""
    return b"".join(
        record(
            100e6 + hop * BINS * BIN_HZ,
            START.timestamp() + ahead_s + (turn * hops + hop) / 2,
            powers(turn * hops + hop, dtype),
        )
        for turn in range(count)
        for hop in range(hops)
    )


def opened(path: Path, content: bytes, zone: ZoneInfo | None = UTC_ZONE, **sidecar):
    path.write_bytes(content)
    return FORMAT.open(path, Sidecar(path=path, **sidecar), Opening(time_zone=zone))


def items(reader, chunk_rows: int = 2) -> list[PsdFrame | Gap]:
    return list(reader.frames(Identity("node", "band", 1), chunk_rows, None))


def rows(reader) -> np.ndarray:
    return np.array([item.power_db for item in items(reader) if isinstance(item, PsdFrame)])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_hops_become_rows(tmp_path, dtype):
    reader = opened(tmp_path / "a.bin", sweeps(4, dtype=dtype))
    truth = [np.concatenate([powers(turn * 3 + hop, dtype) for hop in range(3)]) for turn in range(4)]
    np.testing.assert_array_equal(rows(reader), np.float32(truth))
    facts = reader.facts
    assert (facts.first_hz, facts.bin_hz, facts.bins) == (100e6 - BINS / 2 * BIN_HZ, BIN_HZ, 3 * BINS)
    assert (facts.unit, facts.step_ns, facts.start_ns) == ("dBFS/Hz", 1_500_000_000, START_NS)
    assert facts.problems == ()
    assert [item.time_ns for item in items(reader)] == [START_NS + turn * 1_500_000_000 for turn in range(4)]


def test_the_only_sweep_lasts_until_its_last_hop_stopped(tmp_path):
    assert opened(tmp_path / "a.bin", sweeps(1)).facts.step_ns == 1_250_000_000
    assert opened(tmp_path / "a.bin", sweeps(1), step_ns=SECOND).facts.step_ns == SECOND


def test_stamps_of_a_recorder_away_from_utc_are_put_right(tmp_path):
    # What Python makes of `utcnow().timestamp()` where the clock is 2 hours ahead of UTC.
    naive = START.replace(tzinfo=None)
    stamped = naive.replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    content = sweeps(2, ahead_s=stamped - START.timestamp())
    assert stamped == START.timestamp() - 7200
    assert opened(tmp_path / "a.bin", content, ZoneInfo("Europe/Berlin")).facts.start_ns == START_NS
    unknown = opened(tmp_path / "a.bin", content, None)
    assert unknown.facts.start_ns == START_NS - 7200 * SECOND
    assert "write time_zone in the sidecar" in unknown.facts.problems[0]
    said = opened(tmp_path / "a.bin", content, None, time_zone=ZoneInfo("Europe/Berlin"))
    assert said.facts.start_ns == START_NS


def test_a_clock_set_back_is_a_gap_and_costs_no_hop(tmp_path):
    first_s = START.timestamp()
    stamps = [(first_s, first_s + 0.4), (first_s + 0.5, first_s - 3), (first_s - 2.9, first_s - 2.5)]
    content = b"".join(record(100e6, start_s, powers(0), time_stop=stop_s) for start_s, stop_s in stamps)
    found = items(opened(tmp_path / "a.bin", content))
    assert [item.reason for item in found if isinstance(item, Gap)] == ["clock"]
    assert len(found) == 4


def test_broken_bytes_cost_the_hops_they_hit(tmp_path):
    content = sweeps(3)
    hop = len(content) // 9
    broken = content[: 4 * hop] + b"SDRFF" + content[4 * hop + 20 : 5 * hop] + content[5 * hop : -30]
    reader = opened(tmp_path / "a.bin", broken)
    found = rows(reader)
    assert [int(np.isnan(row).sum()) for row in found] == [0, BINS, BINS]
    assert reader.facts.problems[:2] == (
        f"byte {4 * hop}: {hop - 15} bytes are no record: left out",
        f"byte {8 * hop - 15}: {hop - 30} bytes of a record of {BINS} bins, which is cut: left out",
    )


def test_power_that_is_no_number_comes_as_it_is(tmp_path):
    power = powers(0)
    power[:3] = [-np.inf, np.nan, np.inf]
    found = rows(opened(tmp_path / "a.bin", record(100e6, START.timestamp(), power)))
    np.testing.assert_array_equal(found[0], power)


def test_how_much_is_read_at_a_time_changes_nothing(tmp_path):
    reader = opened(tmp_path / "a.bin", sweeps(9))
    assert same(items(reader, 1), items(reader, 100))


FLAWS = [
    {"version": 1},
    {"time_start": math.nan},
    {"time_start": -1.0},
    {"time_start": 1e300},
    {"step": 0.0},
    {"step": -1.0},
    {"step": 1e-300},
    {"step": math.inf},
    {"start": math.nan},
    {"stop": 1e300},
    {"size": 2**63},
    {"size": 0},
    {"size": 4 * BINS - 4},
]


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_header_that_cannot_be_is_no_record(tmp_path, flaw):
    said = r"no line of soapy_power_binary can be read: byte 0: \d+ bytes are no record"
    with pytest.raises(BadInput, match=said):
        opened(tmp_path / "a.bin", record(100e6, START.timestamp(), powers(0), **flaw))


def test_it_is_told_by_its_first_bytes(tmp_path):
    assert FORMAT.matches(tmp_path, sweeps(1)[:4096])
    assert not FORMAT.matches(tmp_path, b"\x00" + sweeps(1)[:4096])


CHUNKS = st.one_of(
    st.sampled_from([sweeps(1, 1), sweeps(2, 1), b"SDRFF"]),
    st.binary(max_size=70),
    st.builds(
        lambda field, value: record(100e6, START.timestamp(), powers(0), **{field: value}),
        st.sampled_from(["time_start", "time_stop", "start", "stop", "step"]),
        st.floats(),
    ),
)


@given(st.lists(CHUNKS, max_size=5), st.integers(0, 400), st.sampled_from([None, ZoneInfo("Pacific/Apia")]))
def test_no_bytes_do_worse_than_bad_input(tmp_path_factory, chunks, cut, zone):
    content = b"".join(chunks)
    try:
        reader = opened(tmp_path_factory.mktemp("fuzz") / "a", content[: max(0, len(content) - cut)], zone)
        found = rows(reader)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert found.shape == (reader.facts.rows, reader.facts.bins)
