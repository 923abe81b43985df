"""MATLAB's files, version 5 and 7.3: the one complex vector in them, and what stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.mat_iq import FORMAT, open_mat_iq
from bandwatch.pipeline.readers.reader import Opening
from bandwatch.pipeline.sidecar import Sidecar, read_sidecar
from bandwatch.tests.recorded import real

NOON_2020 = 1_577_880_000_000_000_000
RNG = np.random.default_rng(7)
IQ = (RNG.uniform(-0.7, 0.7, 999) + 1j * RNG.uniform(-0.7, 0.7, 999)).astype(np.complex64)
META = {
    "label": "WiFi",
    "centerFrequency": 2.437e9,
    "sampleRate": np.int32(40_000_000),
    "receiverGainDb": -4.0,
    "dateTime": "2020-01-01T12:00:00Z",
    "list": [1, 2],
    "deep": {"fs": 5.0},
    "empty": [],
}


def opened(path: Path, **keys):
    return open_mat_iq(path, Sidecar(path.with_name(path.name + ".yaml"), tuple(keys), **keys), Opening())


def samples_of(reader, block_samples: int = 100) -> np.ndarray:
    blocks = list(reader.blocks(0, 0, reader.facts.samples, block_samples))
    assert all(len(block) <= block_samples for block in blocks)
    return np.concatenate(blocks)


def save73(path: Path, **arrays) -> Path:
    """As MATLAB does: 512 bytes of its own, axes reversed, complex numbers as pairs, structs as groups."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in arrays.items():
            values = np.asarray(value)
            if isinstance(value, str):
                dataset = file.create_dataset(name, data=np.array([[ord(c)] for c in value], "u2"))
                dataset.attrs["MATLAB_class"] = np.bytes_("char")
            elif values.dtype.kind == "c":
                kind = values.real.dtype
                pairs = np.empty(values.shape, [("real", kind), ("imag", kind)])
                pairs["real"], pairs["imag"] = values.real, values.imag
                file.create_dataset(name, data=pairs.T, chunks=True, compression="gzip")
            else:
                file[name] = values.T
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(-1, 1), (1, -1)])
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_the_complex_vector_is_what_scipy_wrote(tmp_path, packed, shape, dtype):
    path = tmp_path / "a.mat"
    arrays = {"note": "x", "rxWave": IQ.astype(dtype).reshape(shape), "meta": META, "levels": np.eye(5)}
    scipy.io.savemat(path, arrays, do_compression=packed)
    reader = opened(path)
    assert np.array_equal(samples_of(reader), IQ)
    assert np.array_equal(np.concatenate(list(reader.blocks(0, 100, 500, 33))), IQ[100:600])
    facts = reader.facts
    assert (facts.sample_rate_hz, facts.captures[0].center_hz, facts.gain_db) == (40e6, 2.437e9, -4.0)
    assert facts.captures[0].time_ns == NOON_2020
    assert facts.unit == "dBFS/bin"
    assert not facts.problems


@pytest.mark.parametrize(
    ("names", "rate_hz", "center_hz"),
    [
        ({"Fs": 1e6, "fc": 1e9}, 1e6, 1e9),
        ({"sample_rate_Hz": 1e6, "Center_Frequency": 1e9}, 1e6, 1e9),
        ({"fs": np.int16(8000)}, 8000, 0),
        ({"samplingRate": 2e6, "CarrierFreq": -5.0, "t0": 1.0}, 2e6, -5),
    ],
)
def test_usual_names_are_understood_in_both_versions(tmp_path, names, rate_hz, center_hz):
    scipy.io.savemat(tmp_path / "5.mat", {"x": IQ, **names})
    save73(tmp_path / "73.mat", x=IQ.reshape(-1, 1), **{name: [[value]] for name, value in names.items()})
    for version in ("5.mat", "73.mat"):
        facts = opened(tmp_path / version).facts
        assert (facts.sample_rate_hz, facts.captures[0].center_hz) == (rate_hz, center_hz)


@pytest.mark.parametrize("shape", [(-1, 1), (1, -1), (-1,)])
def test_version_73_is_read_by_slices(tmp_path, shape):
    path = save73(
        tmp_path / "a.mat",
        **{
            "rx": IQ.reshape(shape),
            "meta/sampleRate": [[1e6]],
            "meta/fc": [[1e9]],
            "start": "2020-01-01T12:00Z",
        },
    )
    reader = opened(path)
    assert np.array_equal(samples_of(reader), IQ)
    assert reader.facts.captures[0].time_ns == NOON_2020
    assert reader.facts.format == "mat 7.3"


def test_two_columns_are_i_and_q_where_nothing_is_complex(tmp_path):
    columns = np.stack([IQ.real, IQ.imag], axis=1)
    scipy.io.savemat(tmp_path / "5.mat", {"x": columns, "fs": 1.0}, do_compression=True)
    save73(tmp_path / "73.mat", x=columns, fs=[[1.0]])
    for version in ("5.mat", "73.mat"):
        assert np.array_equal(samples_of(opened(tmp_path / version)), IQ)


def test_beyond_full_scale_levels_are_not_called_dbfs(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": 300 * IQ, "fs": 1.0})
    facts = opened(tmp_path / "a.mat").facts
    assert facts.unit == "dB"
    assert dict(facts.notes)["full scale"].startswith("not known: I or Q reaches 209.")
    assert opened(tmp_path / "a.mat", unit="dBm/bin").facts.unit == "dBm/bin"


def test_of_several_vectors_the_sidecar_names_one(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": IQ, "y": 2j * IQ, "fs": 1.0})
    with pytest.raises(BadInput, match=r"holds 'x', 'y'; limit: one complex vector .* array: NAME"):
        opened(tmp_path / "a.mat")
    assert np.array_equal(samples_of(opened(tmp_path / "a.mat", array="x")), IQ)
    with pytest.raises(BadInput, match="array: no IQ vector 'z'"):
        opened(tmp_path / "a.mat", array="z")


def test_what_holds_no_samples_is_refused_in_one_line(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.eye(9), "fs": 1.0})
    with pytest.raises(BadInput, match="holds no IQ vector; limit: one complex vector"):
        opened(tmp_path / "a.mat")
    scipy.io.savemat(tmp_path / "a.mat", {"x": IQ})
    with pytest.raises(BadInput, match=r"no sample rate, .* write sample_rate_hz in"):
        opened(tmp_path / "a.mat")
    data = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(data[:-8])
    with pytest.raises(BadInput, match="truncated: an element of"):
        opened(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 4")
    with pytest.raises(BadInput, match="not a MATLAB 5 file"):
        opened(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3" + bytes(600))
    with pytest.raises(BadInput, match="truncated or not an HDF5 file"):
        opened(tmp_path / "a.mat")


def test_a_version_73_file_that_promises_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    pair = [("real", "f4"), ("imag", "f4")]
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 40, 1), pair, chunks=(1024, 1))
    with pytest.raises(BadInput, match="8,796,093,022,208 bytes of samples; limit: 1100 times the 0 stored"):
        opened(path, sample_rate_hz=1.0)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 24, 1), pair, chunks=(1 << 24, 1))
    with pytest.raises(BadInput, match="chunks of 134,217,728 bytes; limit: 33,554,432"):
        opened(path, sample_rate_hz=1.0)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (99, 1), pair, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(BadInput, match="stands in other files; limit: values in this one"):
        opened(path, sample_rate_hz=1.0)


def test_real_recordings_of_matlab_open_by_themselves():
    path = real("wifi-bt-iq/WiFi/WiFi_sdrsim_iq_00001.mat")
    reader = open_mat_iq(path, read_sidecar(path), Opening())
    assert np.array_equal(samples_of(reader, 5000), scipy.io.loadmat(path)["rxWave"].ravel())
    facts = reader.facts
    assert (facts.sample_rate_hz, facts.captures[0].center_hz) == (40e6, 2.437e9)
    assert (
        datetime.fromtimestamp(facts.captures[0].time_ns / 1e9, UTC).isoformat()[:19] == "2026-07-06T19:41:40"
    )
    assert facts.problems == ("the start is a datetime whose zone is not read: taken for UTC (time_zone)",)
    zone = ZoneInfo("Asia/Tokyo")
    east = open_mat_iq(path, read_sidecar(path), Opening(time_zone=zone)).facts
    assert facts.captures[0].time_ns - east.captures[0].time_ns == 9 * 3600 * 1_000_000_000
    assert not east.problems
    rows = FORMAT.open(path, read_sidecar(path), Opening()).facts
    assert rows.first_hz < 2.437e9 < rows.first_hz + rows.bins * rows.bin_hz


@pytest.mark.parametrize("version", ["5", "5 packed", "7.3"])
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=5),
    cut=st.integers(0, 99),
)
@settings(deadline=None)  # a busy machine is not a broken reader
def test_no_bytes_raise_anything_but_bad_input(tmp_path_factory, version, changes, cut):
    path = tmp_path_factory.getbasetemp() / f"{version}.mat"
    if not path.exists():
        if version == "7.3":
            save73(path, x=IQ[:40].reshape(-1, 1), fs=[[1.0]])
        else:
            scipy.io.savemat(
                path, {"meta": META, "x": IQ[:40], "fs": 1.0}, do_compression="packed" in version
            )
    data = bytearray(path.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    broken = path.with_suffix(".broken")
    broken.write_bytes(data[: len(data) * (100 - cut) // 100])
    try:
        reader = opened(broken)
        for _ in reader.blocks(0, 0, reader.facts.samples, 16):
            pass
    except BadInput as error:
        assert "\n" not in str(error)
