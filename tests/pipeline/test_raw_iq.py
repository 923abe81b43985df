"""Raw IQ: samples as they stand, whatever they are called and however they are compressed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.iq_names import named_iq
from bandwatch.pipeline.readers.iq_origin import Origin
from bandwatch.pipeline.readers.raw_iq import FORMATS, open_raw_iq
from bandwatch.pipeline.readers.reader import Opening
from bandwatch.pipeline.readers.sample_bytes import CF32, CS8, CS16, CU8
from bandwatch.pipeline.readers.zstd_frames import zstd_frames
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.sidecar import Sidecar, read_sidecar
from bandwatch.tests.recorded import real

SECOND = 1_000_000_000
NOON_2020 = 1_577_880_000 * SECOND
LAYOUTS = {"cu8": (CU8, "u1"), "cs8": (CS8, "i1"), "cs16": (CS16, "<i2"), "cf32": (CF32, "<f4")}
NAME = "x_433.92M_250k"


def sidecar(path: Path, **keys) -> Sidecar:
    return Sidecar(path.with_name(path.name + ".yaml"), tuple(keys), **keys)


def opened(path: Path, layout=CU8, **keys):
    return open_raw_iq(path, sidecar(path, **keys), Opening(), layout)


def samples_of(reader, block_samples: int = 100, first: int = 0, samples: int | None = None) -> np.ndarray:
    samples = reader.facts.samples - first if samples is None else samples
    blocks = list(reader.blocks(0, first, samples, block_samples))
    assert all(len(block) <= block_samples for block in blocks)
    return np.concatenate(blocks)


def streamed(data: bytes) -> bytes:
    """zstd as from a pipe: its frame does not say how much is in it."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def at_once(data: bytes) -> bytes:
    """zstd as of a file: its frame says how much is in it."""
    return pa.Codec("zstd").compress(data, asbytes=True)


@pytest.mark.parametrize("name", LAYOUTS)
def test_samples_come_as_they_stand_however_they_are_cut(tmp_path, name):
    layout, dtype = LAYOUTS[name]
    values = np.random.default_rng(1).normal(0, 40, (1000, 2)).astype(dtype)
    path = tmp_path / f"{NAME}.{name}"
    path.write_bytes(values.tobytes())
    reader = opened(path, layout)
    assert reader.facts.sample_type == name
    assert reader.facts.samples == 1000
    truth = values.view("<c8").ravel() if name == "cf32" else values
    for block_samples in (1, 7, 1000, 4096):
        got = samples_of(reader, block_samples)
        assert got.dtype == truth.dtype
        assert np.array_equal(got, truth)
    assert np.array_equal(samples_of(reader, 64, 333, 400), truth[333:733])


@pytest.mark.parametrize(
    ("name", "rate_hz", "center_hz", "start_ns", "gain_db"),
    [
        ("01_gfile001_433.92M_250k.cu8", 250e3, 433.92e6, None, None),
        ("g001_868.3M_1024ksps.cs16", 1.024e6, 868.3e6, None, None),
        ("a_2.4G_20M.cs8", 20e6, 2.4e9, None, None),
        (
            "gamutrf_recording_ettus__gain40_1646942116_2408703998Hz_20971520sps.s16.zst",
            20971520.0, 2408703998.0, 1_646_942_116 * SECOND, 40.0,
        ),
        ("samples_1700000000.250000_100000000Hz_1000000sps.raw", 1e6, 100e6, 1_700_000_000_250_000_000, None),
        ("gqrx_20200101_120000_433920000_1800000_fc.raw", 1.8e6, 433.92e6, NOON_2020, None),
        ("SDRSharp_20200101_120000Z_433920000Hz_IQ.wav", None, 433.92e6, NOON_2020, None),
        ("HDSDR_20200101_120000Z_14074kHz_RF.wav", None, 14.074e6, NOON_2020, None),
        ("SDRuno_20200101_120000Z_1043kHz.wav", None, 1.043e6, NOON_2020, None),
        ("baseband_433920000Hz_12-00-00_01-01-2020.wav", None, 433.92e6, NOON_2020, None),
        ("left back.complex16s", None, None, None, None),
        ("gqrx_20201399_120000_1_2_fc.raw", 2.0, 1.0, None, None),
    ],
)  # fmt: skip
def test_a_name_says_what_the_program_that_gave_it_means(name, rate_hz, center_hz, start_ns, gain_db):
    assert named_iq(name).origin == Origin(rate_hz, center_hz, start_ns, gain_db)


def test_a_wall_clocks_time_is_that_of_the_zone():
    name = "baseband_433920000Hz_12-00-00_01-01-2020.wav"
    assert named_iq(name, ZoneInfo("Europe/Madrid")).origin.start_ns == NOON_2020 - 3600 * SECOND


def test_a_sidecar_goes_before_the_name(tmp_path):
    path = tmp_path / "gqrx_20200101_120000_433920000_1800000_fc.raw"
    path.write_bytes(bytes(80))
    facts = opened(path, CF32).facts
    assert (facts.sample_rate_hz, facts.captures[0].center_hz) == (1.8e6, 433.92e6)
    assert facts.captures[0].time_ns == NOON_2020
    assert not facts.problems
    keys = {"sample_rate_hz": 1e6, "center_hz": 1e9, "start_ns": 5, "node": "a", "band": "b", "unit": "dB"}
    facts = opened(path, CF32, **keys).facts
    assert (facts.sample_rate_hz, facts.captures[0].center_hz, facts.captures[0].time_ns) == (1e6, 1e9, 5)
    assert (facts.node, facts.band, facts.unit) == ("a", "b", "dB")


def test_what_nobody_says_is_assumed_and_told(tmp_path):
    path = tmp_path / "x.cu8"
    path.write_bytes(bytes(81))
    facts = opened(path, sample_rate_hz=1e6).facts
    assert facts.samples == 40
    assert facts.captures[0].time_ns == 0
    assert facts.captures[0].center_hz == 0
    assert facts.problems == (
        "1 bytes after the last whole sample are left out",
        "no centre frequency is given: frequencies are relative to the carrier (center_hz)",
        "no start is given: times count from 1970-01-01T00:00:00Z (start)",
    )
    with pytest.raises(BadInput, match=r"no sample rate, .* write sample_rate_hz in .*x\.cu8\.yaml"):
        opened(path)


@pytest.mark.parametrize("pack", [streamed, at_once])
def test_compressed_samples_are_the_same_samples(tmp_path, pack):
    values = np.random.default_rng(2).integers(-30, 30, (300_000, 2)).astype("<i2")
    data = values.tobytes()
    skippable = b"\x53\x2a\x4d\x18\x03\x00\x00\x00abc"
    path = tmp_path / f"{NAME}.cs16.zst"
    for packed in (pack(data), pack(data[:500_001]) + skippable + pack(data[500_001:])):
        path.write_bytes(packed)
        reader = opened(path, CS16)
        assert reader.facts.samples == 300_000
        assert not [each for each in reader.facts.problems if "damaged" in each]
        assert np.array_equal(samples_of(reader, 65_537), values)
        assert np.array_equal(samples_of(reader, 1000, 123_457, 2000), values[123_457:125_457])
        assert zstd_frames(path).content_bytes == (None if pack is streamed else len(data))


@pytest.mark.parametrize("pack", [streamed, at_once])
@pytest.mark.parametrize("end", ["cut", "junk"])
def test_of_a_broken_zstd_the_whole_samples_that_are_there_are_read(tmp_path, pack, end):
    data = np.random.default_rng(3).integers(0, 256, 700_000).astype("u1").tobytes()
    path = tmp_path / f"{NAME}.cu8.zst"
    packed = pack(data)
    path.write_bytes(packed[:-1000] if end == "cut" else packed + b"no frame begins like this")
    reader = opened(path)
    got = samples_of(reader, 10_000)
    assert 2 * len(got) >= len(data) - 128 * 1024 - 1  # zstd gives whole blocks of 128 KiB
    assert data.startswith(got.tobytes())
    assert any("truncated or damaged after" in each for each in reader.facts.problems)


def test_memory_is_a_block_not_a_file(tmp_path):
    path = tmp_path / f"{NAME}.cu8"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    (tmp_path / f"{NAME}.cu8.zst").write_bytes(at_once(bytes(64 << 20)))
    for name in (path.name, path.name + ".zst"):
        reader = opened(tmp_path / name)
        tracemalloc.start()
        before = pa.total_allocated_bytes()
        assert sum(len(block) for block in reader.blocks(0, 0, reader.facts.samples, 1 << 18)) == 32 << 20
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        assert pa.total_allocated_bytes() <= before
        tracemalloc.stop()


def test_a_band_is_called_by_the_name_without_either_suffix(tmp_path):
    data = bytes(8 * 1024)
    for name, content in (("attic_433M_250k.cs8", data), ("attic_433M_250k.cs8.zst", at_once(data))):
        (tmp_path / name).write_bytes(content)
        assert open_recording(tmp_path / name).band == "attic_433M_250k"


def test_a_broken_zstd_leaves_no_memory_behind(tmp_path):
    path = tmp_path / f"{NAME}.cu8.zst"
    path.write_bytes(at_once(np.random.default_rng(3).bytes(1 << 20))[:-1000])
    tracemalloc.start()
    for _ in range(20):
        opened(path)
    assert tracemalloc.get_traced_memory()[0] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("window", "frames_before", "right"),
    [(16 << 3, 0, True), (16 << 3 | 1, 0, False), (16 << 3 | 1, 3, False), (31 << 3, 0, False)],
)
def test_a_frame_that_asks_for_a_wide_window_is_refused_before_it_is_given_one(
    tmp_path, window, frames_before, right
):
    """By RFC 8878: 2 ** (10 + exponent), and mantissa eighths of it more. 128 KiB of one value follow."""
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + (1 << 20 | 1 << 1 | 1).to_bytes(3, "little") + b"\x7f"
    path = tmp_path / f"{NAME}.cu8.zst"
    path.write_bytes(streamed(bytes(1000)) * frames_before + frame)
    if right:
        assert opened(path).facts.samples == 64 * 1024
    else:
        with pytest.raises(BadInput, match=r"cu8\.zst: zstd with a window of \d+ bytes; limit: 67108864 "):
            opened(path)


@pytest.mark.parametrize(
    ("name", "data", "keys", "message"),
    [
        ("x.cu8", b"", {"sample_rate_hz": 1e6}, "holds no samples"),
        ("x.cu8", b"a", {"sample_rate_hz": 1e6}, "holds no samples"),
        ("x.cu8.zst", b"", {"sample_rate_hz": 1e6}, "holds no samples"),
        ("x.cu8", bytes(20), {"sample_rate_hz": 1e-9}, r"limit: from 1970 to 2116"),
        ("x.cu8", bytes(20), {"sample_rate_hz": 1e12}, r"sample rate 1e\+12; limit: above 0, at most 1e\+11"),
        ("x_0Hz_0sps.cu8", bytes(20), {}, "sample rate 0; limit: above 0"),
        ("g_99999999999999G_1k.cu8", bytes(20), {}, "centre 1e"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, name, data, keys, message):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=message):
        opened(path, **keys)


def test_a_missing_a_changed_file_and_samples_beyond_the_end_are_refused(tmp_path):
    with pytest.raises(BadInput, match="No such file"):
        opened(tmp_path / f"{NAME}.cu8")
    path = tmp_path / f"{NAME}.cu8"
    path.write_bytes(bytes(200))
    reader = opened(path)
    with pytest.raises(BadInput, match="samples 90 to 101; limit: 0 to 100"):
        list(reader.blocks(0, 90, 11, 10))
    with pytest.raises(BadInput, match="channel 1; limit: 0 to 0"):
        list(reader.blocks(1, 0, 1, 10))
    path.write_bytes(bytes(100))
    with pytest.raises(BadInput, match="truncated: it ends before"):
        list(reader.blocks(0, 0, 100, 30))


def test_formats_know_their_suffixes_and_leave_others_raw_files_alone(tmp_path):
    by_name = {each.name: each for each in FORMATS}
    assert ".s16.zst" in by_name["cs16"].suffixes
    cf32 = by_name["cf32"]
    assert cf32.matches is not None
    assert cf32.matches(tmp_path / "gqrx_20200101_120000_433920000_1800000_fc.raw", b"")
    assert not cf32.matches(tmp_path / "camera.raw", b"")
    path = tmp_path / "fft_1646942116_2408703998Hz_20971520sps.raw"
    path.write_bytes(bytes(80))
    with pytest.raises(BadInput, match="FFT points"):
        cf32.open(path, sidecar(path), Opening())


def test_real_recordings_open_and_hold_what_they_are_known_for():
    path = real("ook-433mhz-cu8/01_gfile001_433.92M_250k.cu8")
    reader = open_raw_iq(path, read_sidecar(path), Opening(), CU8)
    assert (reader.facts.samples, reader.facts.sample_rate_hz) == (262_144, 250e3)
    assert abs(samples_of(reader, 65_536).mean() - 127.5) < 2
    path = real("rc-car-2g4/iq_bursts_extracted/left back.complex16s")
    reader = open_raw_iq(path, read_sidecar(path), Opening(), CS8)
    assert (reader.facts.samples, reader.facts.band) == (115_566, "ism-2g4")
    assert samples_of(reader, 65_536).dtype == np.int8


@given(
    st.binary(max_size=60),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=4),
    st.integers(0, 4000),
    st.booleans(),
)
@settings(deadline=None)  # a busy machine is not a broken reader
def test_no_bytes_raise_anything_but_bad_input(tmp_path_factory, extra, changes, cut, told):
    data = np.random.default_rng(4).integers(0, 256, 3000).astype("u1").tobytes()
    packed = bytearray((at_once if told else streamed)(data)[: cut or None] + extra)
    for at, value in changes:
        if packed:
            packed[at % len(packed)] = value
    path = tmp_path_factory.mktemp("zst") / f"{NAME}.cu8.zst"
    path.write_bytes(packed)
    try:
        reader = opened(path)
        for _ in reader.blocks(0, 0, min(reader.facts.samples, 10_000), 512):
            pass
    except BadInput as error:
        assert "\n" not in str(error)
