"""WAV of I and Q: every coding, unfinished and wrapped sizes, and what receivers' programs add."""

from __future__ import annotations

import struct
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import scipy.io.wavfile
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.reader import Opening
from bandwatch.pipeline.readers.wav_iq import FORMAT, open_wav_iq
from bandwatch.pipeline.sidecar import Sidecar

SECOND = 1_000_000_000
NOON_2020 = 1_577_880_000 * SECOND
SDR_CONSOLE = (
    '<?xml version="1.0"?><SDR-XML-Root Description="Saved recording data"><Definition'
    ' RadioCenterFreq="7100000" SampleRate="96000" UTCSeconds="1577880000"/></SDR-XML-Root>'
)
IQ16 = np.random.default_rng(5).integers(-32768, 32768, (500, 2)).astype("<i2")


def opened(path: Path, **keys):
    return open_wav_iq(path, Sidecar(path.with_name(path.name + ".yaml"), tuple(keys), **keys), Opening())


def samples_of(reader, block_samples: int = 64) -> np.ndarray:
    return np.concatenate(list(reader.blocks(0, 0, reader.facts.samples, block_samples)))


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def fmt(coding: int = 1, bits: int = 16, channels: int = 2, rate: int = 96_000, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", coding, channels, rate, rate * block, block, bits) + more)


def wav(*chunks: bytes, riff: bytes = b"RIFF", size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return riff + struct.pack("<I", len(body) if size is None else size) + body


def auxi(center: int = 433_920_000, *, mode: int = 0, low: int = 0, high: int = 0) -> bytes:
    """As HDSDR writes it, from 2020-01-01T12:00:00.250 on."""
    start = struct.pack("<8H", 2020, 1, 3, 1, 12, 0, 0, 250)
    numbers = struct.pack("<IIIIIIhBBII", center, 0, 0, 0, 0, 0, 0, 0, mode, low, high)
    return chunk(b"auxi", start + start + numbers + bytes(96))


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<i4", "<f4", "<f8"])
def test_every_coding_that_scipy_writes_is_read(tmp_path, dtype):
    rng = np.random.default_rng(6)
    if dtype[-2] == "f":
        values, truth_scale = rng.uniform(-1, 1, (300, 2)).astype(dtype), 1.0
    else:
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max, (300, 2), endpoint=True).astype(dtype)
        truth_scale = 2.0**31
    path = tmp_path / "a.wav"
    scipy.io.wavfile.write(path, 2_048_000, values)
    reader = opened(path)
    assert reader.facts.sample_rate_hz == 2_048_000
    got = samples_of(reader)
    if dtype in ("u1", "<i2"):
        assert got.dtype == values.dtype
        assert np.array_equal(got, values)
    else:
        assert got.dtype == np.complex64
        truth = (values[:, 0] + 1j * values[:, 1].astype(np.float64)) / truth_scale
        assert np.allclose(got, truth, rtol=0, atol=1e-7)


def test_24_bits_are_read_packed_and_in_containers_of_32(tmp_path):
    values = np.array([[2**23 - 1, -(2**23)], [1, -1], [0, 2**22]], "<i4")
    packed = b"".join(int(v).to_bytes(3, "little", signed=True) for v in values.ravel())
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(bits=24), chunk(b"data", packed)))
    truth = (values[:, 0] + 1j * values[:, 1]) / 2.0**23
    assert np.array_equal(samples_of(opened(path)), truth.astype(np.complex64))
    guid = struct.pack("<HHIH", 22, 24, 3, 1) + bytes.fromhex("000000001000800000aa00389b71")
    header = struct.pack("<HHIIHH", 0xFFFE, 2, 96_000, 768_000, 8, 32) + guid
    path.write_bytes(wav(chunk(b"fmt ", header), chunk(b"data", (values << 8).tobytes())))
    assert np.array_equal(samples_of(opened(path)), truth.astype(np.complex64))


@pytest.mark.parametrize("riff", [b"RF64", b"BW64"])
def test_long_files_say_their_size_in_64_bits(tmp_path, riff):
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, IQ16.nbytes, 500, 0))
    path = tmp_path / "a.wav"
    data = chunk(b"data", IQ16.tobytes(), 0xFFFFFFFF)
    path.write_bytes(wav(ds64, fmt(), data, chunk(b"LIST", b"abc"), auxi(), riff=riff, size=0xFFFFFFFF))
    reader = opened(path)
    assert np.array_equal(samples_of(reader), IQ16)
    assert reader.facts.captures[0].center_hz == 433_920_000
    assert not reader.facts.problems


@pytest.mark.parametrize(
    ("size", "told"), [(0, "unfinished"), (0xFFFFFFFF, "unfinished"), (1 << 20, "truncated: 2,003 bytes")]
)
def test_an_unfinished_recording_reaches_to_the_files_end(tmp_path, size, told):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(), auxi(), chunk(b"data", IQ16.tobytes(), size), size=0) + b"odd")
    reader = opened(path)
    assert np.array_equal(samples_of(reader), IQ16)
    assert told in reader.facts.problems[0]
    assert reader.facts.problems[1] == "3 bytes after the last whole sample are left out"


def test_a_size_written_modulo_4_gib_is_understood_and_the_end_is_read_without_the_rest(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(), chunk(b"data", b"", 4000)))
    with path.open("r+b") as file:
        file.seek((1 << 32) + 4000 - IQ16.nbytes, 2)
        file.write(IQ16.tobytes())
    reader = opened(path)
    assert reader.facts.samples == (1 << 30) + 1000
    assert "modulo 4 GiB" in reader.facts.problems[0]
    (block,) = reader.blocks(0, reader.facts.samples - 500, 500, 1000)
    assert np.array_equal(block, IQ16)


@pytest.mark.parametrize(
    ("name", "chunks", "center_hz", "start_ns"),
    [
        ("a.wav", (auxi(),), 433_920_000, NOON_2020 + SECOND // 4),
        ("a.wav", (auxi(low=433_920_000, high=1),), 433_920_000 + 2**32, NOON_2020 + SECOND // 4),
        ("SDRSharp_20200101_120000Z_5705032704Hz_IQ.wav", (auxi(5705032704 - 2**32),), 5705032704,
         NOON_2020 + SECOND // 4),
        ("HDSDR_20200101_120000Z_14074kHz_RF.wav", (), 14_074_000, NOON_2020),
        ("a.wav", (chunk(b"rcvr", struct.pack("<iiI", 7_100_000, 3, 1_577_880_000) + bytes(22)),), 7_100_000,
         NOON_2020),
        ("a.wav", (chunk(b"auxi", SDR_CONSOLE.encode("utf-16-le")),), 7_100_000, NOON_2020),
    ],
)  # fmt: skip
def test_where_and_when_come_from_the_chunks_and_then_from_the_name(
    tmp_path, name, chunks, center_hz, start_ns
):
    path = tmp_path / name
    path.write_bytes(wav(fmt(), *chunks, chunk(b"data", IQ16.tobytes())))
    facts = opened(path).facts
    assert (facts.captures[0].center_hz, facts.captures[0].time_ns) == (center_hz, start_ns)
    assert facts.sample_rate_hz == 96_000
    assert not facts.problems
    assert opened(path, center_hz=1e6, start_ns=7).facts.captures[0].time_ns == 7


def test_an_auxi_of_local_times_is_read_by_the_sidecars_zone(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(), auxi(), chunk(b"data", IQ16.tobytes())))
    zone = ZoneInfo("Asia/Tokyo")
    noon_ns = NOON_2020 - 9 * 3600 * SECOND
    assert opened(path, time_zone=zone).facts.captures[0].time_ns == noon_ns + SECOND // 4


def test_q_before_i_is_exchanged_and_told(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(fmt(), auxi(mode=5), chunk(b"data", IQ16.tobytes())))
    reader = opened(path)
    assert np.array_equal(samples_of(reader), IQ16[:, ::-1])
    assert "exchanged" in reader.facts.problems[0]
    floats = np.array([1, 2, 3, 4], "<f4")
    path.write_bytes(wav(fmt(3, 32), auxi(mode=5), chunk(b"data", floats.tobytes())))
    assert samples_of(opened(path)).tolist() == [2 + 1j, 4 + 3j]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wav(fmt(channels=1), chunk(b"data", bytes(80))), "1 channels; limit: 2, I and Q"),
        (wav(fmt(channels=4), chunk(b"data", bytes(80))), "4 channels; limit: 2, I and Q"),
        (wav(fmt(coding=2), chunk(b"data", bytes(80))), r"coding 2 of 16 bits; limit: PCM \(1\)"),
        (wav(fmt(), chunk(b"data", b"")), "holds no samples"),
        (wav(fmt(rate=0), chunk(b"data", bytes(80))), "no sample rate"),
        (wav(fmt()), "no 'data' chunk"),
        (wav(chunk(b"data", bytes(80))), "no 'fmt ' chunk"),
        (wav(chunk(b"fmt ", b"1234"), chunk(b"data", bytes(80))), "chunk of 4 bytes; limit: at least 16"),
        (b"RIFX" + bytes(40), "limit: a WAV file"),
        (b"", "limit: a WAV file"),
    ],
)  # fmt: skip
def test_what_is_no_iq_is_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=message):
        opened(path)


def test_only_what_begins_like_a_wav_is_one(tmp_path):
    assert FORMAT.matches is not None
    assert FORMAT.matches(tmp_path, wav(fmt()))
    assert not FORMAT.matches(tmp_path, b"RIFF1234AVI LIST")


@given(st.lists(st.tuples(st.integers(0, 260), st.integers(0, 255)), max_size=6), st.integers(0, 400))
@settings(deadline=None)  # a busy machine is not a broken reader
def test_no_bytes_raise_anything_but_bad_input(tmp_path_factory, changes, cut):
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 200, 50, 0))
    data = bytearray(wav(ds64, fmt(), auxi(), chunk(b"data", bytes(200)), riff=b"RF64"))
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    path.write_bytes(data[: cut or None])
    try:
        reader = opened(path)
        for _ in reader.blocks(0, 0, reader.facts.samples, 16):
            pass
    except BadInput as error:
        assert "\n" not in str(error)
