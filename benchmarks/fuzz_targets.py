"""What is fuzzed: a file of each format, or a message."""

from __future__ import annotations

import functools
import io
import itertools
import json
import struct
import tempfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
from fuzz_kinds import TableTarget, Target, WireTarget

from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.parquet_rows import SCHEMA
from bandwatch.pipeline.parquet_writer import write_parquet
from bandwatch.pipeline.wire import encode

CORPUS = Path(__file__).resolve().parents[1] / "tests" / "pipeline" / "corpus"

MATRIX = "start: 2026-01-31T12:00:00Z\nstep_seconds: 0.5\nfirst_hz: 868e6\nbin_hz: 1000\nunit: dBm/bin\n"
STAMPED = "time_unix: times\nfirst_hz: 868e6\nbin_hz: 1000\nunit: dBm/bin\n"
IQ = "start: 2026-01-31T12:00:00Z\nsample_rate_hz: 1e6\ncenter_hz: 868e6\n"

_START_NS = 1_769_860_800 * 10**9
_LEVELS = np.arange(24, dtype=np.float32).reshape(6, 4) - 90
_TIMES = np.array([1.7e9, 1.7e9 + 1, 1.7e9 + 2, 1.7e9 + 9, 1.7e9 + 10, 1.7e9 + 3])
_SAMPLES = np.exp(2j * np.pi * np.arange(256) / 16).astype(np.complex64) / 2


def _beside(name: str, sidecar: str) -> tuple[tuple[str, bytes], ...]:
    return ((f"{name}.yaml", sidecar.encode()),)


def _npy() -> list[bytes]:
    return [_saved(values) for values in (_LEVELS, np.asfortranarray(_LEVELS), _LEVELS.astype(">i2"))]


def _saved(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=False)
    return stream.getvalue()


def _npz() -> list[bytes]:
    found = []
    for save in (np.savez, np.savez_compressed):
        for levels in (_LEVELS, np.asfortranarray(_LEVELS)):
            stream = io.BytesIO()
            save(stream, power=levels, times=_TIMES)
            found.append(stream.getvalue())
    return found


def _npz_frames() -> list[bytes]:
    found = []
    pairs = np.stack([_SAMPLES.real, _SAMPLES.imag]).reshape(2, 4, 64).swapaxes(0, 1)
    for frames in (_SAMPLES.reshape(4, 64), np.ascontiguousarray(pairs)):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("X.npy", _saved(frames))
            archive.writestr("Y.npy", _saved(np.arange(4)))
        found.append(stream.getvalue())
    return found


def _hdf5() -> list[bytes]:
    return [
        _hdf5_file(lambda file: file.create_dataset("power", data=_LEVELS)),
        _hdf5_file(
            lambda file: file.create_dataset("power", data=_LEVELS, chunks=(2, 3), compression="gzip")
        ),
    ]


def _hdf5_file(write: Callable[[h5py.File], object], userblock: int = 0) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=userblock, libver="earliest") as file:
        write(file)
        if not userblock:
            file["times"] = _TIMES
    return stream.getvalue()


def _mat5() -> list[bytes]:
    found = []
    for packed in (False, True):
        stream = io.BytesIO()
        meta = {"sampleRate": 1e6, "centerFrequency": 868e6, "dateTime": "2020-01-01T12:00:00Z"}
        scipy.io.savemat(stream, {"iq": _SAMPLES[None], "meta": meta}, do_compression=packed)
        found.append(stream.getvalue())
    return found


def _mat73() -> list[bytes]:
    def write(file: h5py.File) -> None:
        pairs = np.empty((256, 1), [("real", "<f4"), ("imag", "<f4")])
        pairs["real"][:, 0], pairs["imag"][:, 0] = _SAMPLES.real, _SAMPLES.imag
        file.create_dataset("iq", data=pairs, chunks=(128, 1), compression="gzip")
        file["fs"] = np.array([[1e6]])

    return [b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b"\0") + _hdf5_file(write, 512)[512:]]


def _codes(dtype: type, scale: float, zero: float) -> bytes:
    pairs = np.stack([_SAMPLES.real, _SAMPLES.imag], axis=1)
    return np.round(pairs * scale + zero).astype(dtype).tobytes()


def _zst() -> list[bytes]:
    return [pa.Codec("zstd").compress(_codes(np.int16, 32767, 0), asbytes=True)]


def _wav() -> list[bytes]:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(_codes(np.int16, 32767, 0))
    plain = stream.getvalue()
    floats = _SAMPLES.tobytes()
    form = struct.pack("<HHIIHH", 3, 2, 48_000, 384_000, 8, 32)
    sizes = struct.pack("<QQQI", 4 + 8 + 28 + 8 + 16 + 8 + len(floats), len(floats), 256, 0)
    chunks = b"ds64" + struct.pack("<I", 28) + sizes + b"fmt " + struct.pack("<I", 16) + form
    rf64 = b"RF64\xff\xff\xff\xffWAVE" + chunks + b"data\xff\xff\xff\xff" + floats
    return [plain, rf64]


def _sigmf() -> list[bytes]:
    captures = [
        {"core:sample_start": 0, "core:frequency": 868e6, "core:datetime": "2026-01-31T12:00:00Z"},
        {"core:sample_start": 128, "core:frequency": 869e6, "core:datetime": "2026-01-31T12:00:01.5Z"},
    ]
    said = {"core:datatype": "ci16_le", "core:version": "1.2.0", "core:sample_rate": 1e6}
    labels = [{"core:sample_start": 3, "core:sample_count": 9, "core:label": "burst"}]
    return [json.dumps({"global": said, "captures": captures, "annotations": labels}).encode()]


def _nist() -> list[bytes]:
    head = {
        "Ver": "1.0.16", "Type": "Data", "SensorID": "roof", "SensorKey": "0", "t": 1_500_000_000,
        "Sys2Detect": "LTE", "Sensitivity": "Low", "mType": "FFT-Power", "t1": 1_500_000_000, "a": 1, "nM": 3,
        "Ta": -1, "OL": "NaN", "wnI": -77.0, "Comment": "", "Processed": "False", "DataType": "Binary - int8",
        "ByteOrder": "N/A", "Compression": "None",
        "mPar": {"fStart": 703e6, "fStop": 713e6, "n": 4, "td": 3, "tm": 1.0, "Det": "Average", "Atten": 0},
    }  # fmt: skip
    text = json.dumps(head).encode()
    return [str(len(text)).encode() + b"\r" + text + bytes(range(150, 162))]


def _soapy_bin() -> list[bytes]:
    levels = _LEVELS.astype("<f4")
    starts = [1.7e9 + row for row in range(6)]
    return [
        b"".join(
            b"SDRFF" + struct.pack("<BdddddQQ2x", 2, t, t + 1, 433e6, 433.4e6, 1e5, 10, 16) + row.tobytes()
            for t, row in zip(starts, levels, strict=True)
        )
    ]


def _hackrf_bin() -> list[bytes]:
    def record(low_mhz: int, row: np.ndarray) -> bytes:
        low = low_mhz * 1_000_000
        return struct.pack("<IQQ", 16 + row.nbytes, low, low + 5_000_000) + row.tobytes()

    return [b"".join(record(low, _LEVELS[0]) for _ in range(3) for low in (2400, 2410, 2405, 2415))]


def _parquet() -> list[bytes]:
    rows: list[PsdFrame | Gap] = [
        PsdFrame("attic", "srd", 7, seq, _START_NS + seq * 10**9, 10**9, 868e6, 1e3, _LEVELS[seq], "dBm/bin")
        for seq in range(6)
    ]
    rows.insert(3, Gap("attic", "srd", 2, 2, None, "source", _START_NS + 3 * 10**9))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.parquet"
        write_parquet(rows, path)
        return [path.read_bytes()]


_parquet_table = functools.cache(lambda: pq.read_table(io.BytesIO(_parquet()[0])))


def _parquet_columns() -> dict[str, list[Any]]:
    """Plain values, times as numbers."""
    table = _parquet_table()
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for gap in itertools.chain.from_iterable(columns["gaps"]):
        gap["time_ns"] = _START_NS
    return columns | {"time_ns": table["time_ns"].cast(pa.int64()).to_pylist()}


def _parquet_changes() -> list[bytes]:
    """No change; the same gap four times; a row of other bins; a trailing gap."""
    gaps, bins = SCHEMA.names.index("gaps"), SCHEMA.names.index("bins")
    return [
        b"",
        bytes([gaps, 3, 4, 0]) + bytes(6),
        bytes([bins, 3]) + (5 << 32).to_bytes(8, "little"),
        bytes([len(SCHEMA), 0]) + b'"a": 1  ',
    ]


def _lines(*lines: str) -> list[bytes]:
    return ["".join(f"{line}\n" for line in lines).encode()]


def _rtl_power() -> list[bytes]:
    return _lines(
        *(
            f"2020-01-01, 00:00:0{second}, {low}, {low + 250_000}, 125000.00, 10, -50.10, -51.20, -51.20"
            for second in range(3)
            for low in (433_000_000, 433_250_000)
        )
    )


def _soapy_csv() -> list[bytes]:
    return _lines(
        *(
            f"2020-01-01, 00:00:0{second}.5, {low}, {low + 250_000}, 125000.0, 10, -110.1, -111.2"
            for second in range(3)
            for low in (433_000_000, 433_250_000)
        )
    )


def _hackrf_csv() -> list[bytes]:
    return _lines(
        *(
            f"2020-01-01, 00:00:0{second}.125000, {low}000000, {low + 5}000000, 1000000.00, 20,"
            " -60.10, -61.20, -62.30, -63.40, -64.50"
            for second in range(3)
            for low in (2400, 2410, 2405, 2415)
        )
    )


def _es_sensor() -> list[bytes]:
    return _lines(
        *(
            f"{1_538_000_000 + second}.5,{center},-50.1,-51.2,-52.3,-53.4,"
            for second in range(3)
            for center in (25_000_000, 27_000_000)
        )
    )


def _wire() -> list[bytes]:
    row = PsdFrame("attic", "srd", 7, 0, 10**18, 10**8, 868e6, 1e3, np.zeros(4, np.float32), "dBm/bin")
    gap = Gap("attic", "srd", 3, 2, None, "lost", 10**18)
    found = []
    for message in (row, gap):
        topic, header, payload = (bytes(part) for part in encode(message))
        found.append(bytes([len(topic)]) + len(header).to_bytes(2, "little") + topic + header + payload)
    return found


TARGETS: dict[str, Target | TableTarget | WireTarget] = {
    "npy": Target("f.npy", _npy, _beside("f.npy", MATRIX)),
    "npz": Target("f.npz", _npz, _beside("f.npz", STAMPED + "array: power\n")),
    "hdf5": Target("f.h5", _hdf5, _beside("f.h5", STAMPED)),
    "csv": Target("f.csv", lambda: [b"1,2.5,-3e1\n4,nan,inf\n"], _beside("f.csv", MATRIX)),
    "sidecar": Target(
        "f.npy.yaml", lambda: [MATRIX.encode(), STAMPED.encode(), (MATRIX + "node: a\nband: b\n").encode()],
        (("f.npy", _saved(_LEVELS)),), "f.npy",
    ),
    "rtl_power": Target("f.csv", _rtl_power),
    "soapy_power_csv": Target("f.csv", _soapy_csv, _beside("f.csv", "format: soapy_power\n")),
    "soapy_power_binary": Target("f.soapy", _soapy_bin),
    "hackrf_csv": Target("f.csv", _hackrf_csv),
    "hackrf_binary": Target(
        "f.bin", _hackrf_bin, _beside("f.bin", "start: 2026-01-31T12:00:00Z\nstep_seconds: 1\n")
    ),
    "es_sensor": Target("f.csv", _es_sensor),
    "nist": Target("f.dat", _nist),
    "sigmf": Target("f.sigmf-meta", _sigmf, (("f.sigmf-data", _codes(np.int16, 32767, 0)),)),
    "raw": Target("g001_433.92M_1000k.cu8", lambda: [_codes(np.uint8, 127, 127.5)]),
    "raw_zst": Target("a_1646942116_100000000Hz_1000000sps.s16.zst", _zst),
    "wav": Target("f.wav", _wav, _beside("f.wav", "start: 2026-01-31T12:00:00Z\ncenter_hz: 868e6\n")),
    "mat5": Target("f.mat", _mat5, _beside("f.mat", IQ)),
    "mat73": Target("f.mat", _mat73, _beside("f.mat", IQ)),
    "npz_frames": Target("f.npz", _npz_frames, _beside("f.npz", IQ)),
    "parquet": Target("f.parquet", _parquet),
    "parquet_tables": TableTarget("f.parquet", _parquet_changes, _parquet_columns),
    "wire": WireTarget(_wire),
}  # fmt: skip
