"""npz of IQ frames: each frame is a row of its own, in the order they stand."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.npz_frames import FORMAT, open_npz_frames
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.sidecar import Sidecar, read_sidecar
from bandwatch.tests.recorded import real

RNG = np.random.default_rng(8)
X = RNG.uniform(-1, 1, (50, 2, 64)).astype(np.float32)
IQ = (X[:, 0] + 1j * X[:, 1]).astype(np.complex64)


def sidecar(path: Path, **keys) -> Sidecar:
    return Sidecar(path.with_name(path.name + ".yaml"), tuple(keys), **keys)


def opened(path: Path, **keys):
    return open_npz_frames(path, sidecar(path, **keys), Opening())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("values", [X, X.astype(">f8"), IQ, IQ.astype("c16")])
def test_frames_come_one_after_the_other_however_they_are_cut(tmp_path, save, values):
    path = tmp_path / "a.npz"
    save(path, X=values, y=np.zeros(50, np.int8), classes=np.array(["AM", "FM"]), snr=np.arange(50) % 3)
    reader = opened(path)
    facts = reader.facts
    assert (facts.samples, facts.frame_samples, facts.unit) == (3200, 64, "dBFS/bin")
    assert dict(facts.notes) == {"classes": "AM, FM", "SNR in dB": "0, 1, 2"}
    for block_samples in (1, 50, 64, 1000, 5000):
        blocks = list(reader.blocks(0, 0, 3200, block_samples))
        assert max(map(len, blocks)) <= block_samples
        assert np.allclose(np.concatenate(blocks), IQ.ravel(), atol=1e-7)
    got = np.concatenate(list(reader.blocks(0, 100, 1000, 77)))
    assert np.allclose(got, IQ.ravel()[100:1100], atol=1e-7)


def test_every_frame_is_a_row_and_its_tone_is_where_it_was_made(tmp_path):
    path = tmp_path / "a.npz"
    tones = np.array([[np.exp(2j * np.pi * bin_ * np.arange(64) / 64)] for bin_ in range(-8, 8)])[:, 0]
    np.savez(path, X=np.stack([tones.real, tones.imag], axis=1).astype(np.float32))
    rows = FORMAT.open(path, sidecar(path), Opening())
    assert (rows.facts.rows, rows.facts.bins, rows.facts.step_ns) == (16, 64, 64_000)
    frames = list(rows.frames(Identity("n", "b", 1), 5, None))
    strongest = [int(frame.power_db.argmax()) - 32 for frame in frames]
    assert strongest == list(range(-8, 8))
    assert "no sample rate is given: taken for 1,000,000 a second" in rows.facts.problems[-1]
    assert opened(path, sample_rate_hz=2e5).facts.sample_rate_hz == 2e5


def test_an_npz_of_levels_or_of_both_is_not_taken_for_frames(tmp_path):
    assert FORMAT.matches is not None
    path = tmp_path / "a.npz"
    for arrays, is_frames in (
        ({"X": X, "y": np.zeros(50)}, True),
        ({"iq": IQ}, True),
        ({"X": X, "one_hot": np.zeros((50, 11))}, True),
        ({"power": np.zeros((9, 9))}, False),
        ({"X": X, "power": np.zeros((9, 9))}, False),
        ({"cube": np.zeros((9, 3, 9))}, False),
        ({"counts": np.zeros((9, 2, 9), int)}, False),
        ({}, False),
    ):
        np.savez(path, **arrays)
        assert FORMAT.matches(path, b"PK") == is_frames, arrays.keys()
    path.write_bytes(b"PK no zip")
    assert not FORMAT.matches(path, b"PK")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.asfortranarray(X)}, "column-major order; limit: row-major"),
        ({"X": X[:, :, :1]}, "frames of 1 samples; limit: 2 to 1048576"),
        ({"X": X[:0]}, "holds no samples"),
        ({"X": X, "Y": X}, "holds 'X', 'Y'; limit: one"),
        ({"power": np.zeros((9, 9))}, "holds no IQ vector"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, arrays, message):
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(BadInput, match=message):
        opened(path)


def test_the_real_data_set_opens_by_itself():
    path = real("rml2016.04c/frames60.npz")
    reader = open_npz_frames(path, read_sidecar(path), Opening())
    facts = reader.facts
    assert (facts.samples, facts.frame_samples, facts.unit) == (9600 * 128, 128, "dB")
    assert dict(facts.notes)["classes"] == "8PSK, AM-DSB, AM-SSB, PAM4, QAM16, QAM64, QPSK, WBFM"
    values = np.load(path)["X"][77]
    (frame,) = reader.blocks(0, 77 * 128, 128, 128)
    assert np.array_equal(frame, values[0] + 1j * values[1])


@given(st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=5), st.integers(0, 99))
@settings(deadline=None)  # a busy machine is not a broken reader
def test_no_bytes_raise_anything_but_bad_input(tmp_path_factory, changes, cut):
    stream = io.BytesIO()
    np.savez_compressed(stream, X=X[:5], classes=np.array(["AM"]), snr=np.arange(5))
    data = bytearray(stream.getvalue())
    for at, value in changes:
        data[at % len(data)] = value
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    path.write_bytes(data[: len(data) * (100 - cut) // 100])
    assert FORMAT.matches is not None
    FORMAT.matches(path, b"PK")
    try:
        reader = opened(path)
        for _ in reader.blocks(0, 0, reader.facts.samples, 100):
            pass
    except BadInput as error:
        assert "\n" not in str(error)


def test_a_damaged_archive_of_any_compression_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.npz"
    array = io.BytesIO()
    np.save(array, X)
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("X.npy", array.getvalue())
        whole = path.read_bytes()
        assert FORMAT.matches(path, whole[:4096])
        at = whole.find(b"X.npy") + len("X.npy") + 12
        path.write_bytes(whole[:at] + bytes(each ^ 0x5A for each in whole[at : at + 28]) + whole[at + 28 :])
        assert not FORMAT.matches(path, whole[:4096])
        with pytest.raises(BadInput, match=r"a\.npz: [^\n]*$"):
            opened(path)
