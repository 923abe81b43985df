"""Synthetic recordings of any size, one of each format that can be large."""

from __future__ import annotations

import json
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa

from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.parquet_writer import write_parquet

BINS = 1024
BLOCK_ROWS = 4096
_WRITE_CACHE_BYTES = 256 * 1024 * 1024
MATRIX = "start: 2026-01-31T12:00:00Z\nstep_seconds: 0.2\nfirst_hz: 868e6\nbin_hz: 1000\nunit: dBm/bin\n"
IQ = "start: 2026-01-31T12:00:00Z\nsample_rate_hz: 2e6\ncenter_hz: 868e6\n"

Write = Callable[[Path, int], None]


def _levels() -> np.ndarray:
    noise = np.random.default_rng(5).gumbel(-95, 2, (BLOCK_ROWS, BINS)).astype(np.float32)
    noise[:, 300:340] += 20
    return noise


def _samples() -> bytes:
    """8 MiB of cs16: noise and a tone."""
    rng, count = np.random.default_rng(5), 2 * 1024 * 1024
    tone = 3000 * np.exp(2j * np.pi * 0.11 * np.arange(count))
    pairs = np.stack([tone.real, tone.imag], axis=1) + rng.normal(0, 400, (count, 2))
    return pairs.astype("<i2").tobytes()


def _npy_header(rows: int) -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {BINS}), }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.ljust(117).encode() + b"\n"


def _repeated(block: bytes, total: int, write: Callable[[bytes], object]) -> None:
    for _ in range(total // len(block)):
        write(block)


def _rows(total: int) -> int:
    """Whole blocks of rows that take about `total` bytes as float32."""
    return max(1, total // (4 * BINS * BLOCK_ROWS)) * BLOCK_ROWS


def _npy(path: Path, total: int) -> None:
    with path.open("wb") as file:
        file.write(_npy_header(_rows(total)))
        _repeated(_levels().tobytes(), _rows(total) * 4 * BINS, file.write)


def _npy_columns(path: Path, total: int) -> None:
    with path.open("wb") as file:
        file.write(_npy_header(_rows(total)).replace(b"False,", b"True, "))
        _repeated(_levels().tobytes(), _rows(total) * 4 * BINS, file.write)


def _npz(compression: int) -> Write:
    def write(path: Path, total: int) -> None:
        with (
            zipfile.ZipFile(path, "w", compression, compresslevel=1) as archive,
            archive.open("power.npy", "w", force_zip64=True) as member,
        ):
            member.write(_npy_header(_rows(total)))
            _repeated(_levels().tobytes(), _rows(total) * 4 * BINS, member.write)

    return write


def _hdf5(chunk_rows: int, deflate: int | None = None) -> Write:
    def write(path: Path, total: int) -> None:
        levels = _levels()
        with h5py.File(path, "w", rdcc_nbytes=_WRITE_CACHE_BYTES) as file:
            shape, chunks = (_rows(total), BINS), (chunk_rows, BINS)
            rows = file.create_dataset("power", shape, "f4", chunks=chunks, compression=deflate)
            for first in range(0, len(rows), BLOCK_ROWS):
                rows[first : first + BLOCK_ROWS] = levels

    return write


def _csv(path: Path, total: int) -> None:
    text = "".join(",".join(f"{value:.2f}" for value in row) + "\n" for row in _levels()[:1024]).encode()
    with path.open("wb") as file:
        _repeated(text, total, file.write)


def _sweeps(form: Callable[[float, int, str], str], hops: tuple[int, ...], seconds: float) -> Write:
    """Sweeps of text, each with its own time: `form(time, hop, values)` is a line."""

    def write(path: Path, total: int) -> None:
        texts = [", ".join(f"{value:.2f}" for value in row[:101]) for row in _levels()[:64]]
        written = sweep = 0
        with path.open("w", buffering=1024 * 1024) as file:
            while written < total:
                for hop in hops:
                    written += file.write(form(1.7e9 + sweep * seconds, hop, texts[(sweep + hop) % 64]))
                sweep += 1

    return write


def _date(seconds: float, form: str = "%Y-%m-%d, %H:%M:%S") -> str:
    return time.strftime(form, time.gmtime(seconds))


def _rtl_line(at: float, hop: int, values: str) -> str:
    low = 433_000_000 + hop * 1_000_000
    twice = values.rsplit(", ", 2)
    return f"{_date(at)}, {low}, {low + 1_000_000}, 10000.00, 10, {twice[0]}, {twice[1]}, {twice[1]}\n"


def _soapy_line(at: float, hop: int, values: str) -> str:
    low = 433_000_000 + hop * 1_000_000
    return f"{_date(at)}, {low}, {low + 1_010_000}, 10000.0, 10, {values}\n"


def _hackrf_line(at: float, hop: int, values: str) -> str:
    low = 2_400_000_000 + hop * 5_000_000
    return f"{_date(at)}.000000, {low}, {low + 5_000_000}, 50000.00, 20, {values.rsplit(', ', 1)[0]}\n"


def _es_line(at: float, hop: int, values: str) -> str:
    return f"{int(at)}.0,{25_000_000 + hop * 2_020_000},{values.replace(', ', ',')},\n"


def _hackrf_binary(path: Path, total: int) -> None:
    row = _levels()[0, :100]
    # Each tuning gives two quarters of 20 MHz, the next one the other two.
    lows = [base + quarter for base in range(2400, 2500, 20) for quarter in (0, 10, 5, 15)]
    edges = [(low * 1_000_000, (low + 5) * 1_000_000) for low in lows]
    sweep = b"".join(struct.pack("<IQQ", 16 + row.nbytes, *edge) + row.tobytes() for edge in edges)
    with path.open("wb") as file:
        _repeated(sweep * 512, total, file.write)


def _soapy_binary(path: Path, total: int) -> None:
    row = _levels()[0].tobytes()
    record = len(row) + 65
    with path.open("wb", buffering=1024 * 1024) as file:
        for at in range(total // record):
            head = (2, 1.7e9 + at, 1.7e9 + at + 1, 433e6, 433e6 + BINS * 1e3, 1e3, 10, len(row))
            file.write(b"SDRFF" + struct.pack("<BdddddQQ2x", *head) + row)


def _cs16(path: Path, total: int) -> None:
    with path.open("wb") as file:
        _repeated(_samples(), total, file.write)


def _cs16_zst(path: Path, total: int) -> None:
    with pa.CompressedOutputStream(path, "zstd") as file:
        _repeated(_samples(), total, file.write)


def _wav(path: Path, total: int) -> None:
    samples = _samples()
    size = total // len(samples) * len(samples)
    form = struct.pack("<HHIIHH", 1, 2, 2_000_000, 8_000_000, 4, 16)
    sizes = struct.pack("<QQQI", 4 + 36 + 24 + 8 + size, size, size // 4, 0)
    with path.open("wb") as file:
        file.write(b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", 28) + sizes)
        file.write(b"fmt " + struct.pack("<I", 16) + form + b"data\xff\xff\xff\xff")
        _repeated(samples, size, file.write)


def _sigmf(path: Path, total: int) -> None:
    _cs16(path.with_suffix(".sigmf-data"), total)
    path.write_text(
        '{"global": {"core:datatype": "ci16_le", "core:version": "1.2.0", "core:sample_rate": 2e6},'
        ' "captures": [{"core:sample_start": 0, "core:frequency": 868e6,'
        ' "core:datetime": "2026-01-31T12:00:00Z"}], "annotations": []}'
    )


def _mat73(kind: str, chunk_samples: int, deflate: int | None = None) -> Write:
    def write(path: Path, total: int) -> None:
        pairs = np.frombuffer(_samples(), "<i2").astype(kind) / 32768
        block = pairs.astype(kind).view([("real", kind), ("imag", kind)])
        with h5py.File(path, "w", userblock_size=512, rdcc_nbytes=_WRITE_CACHE_BYTES) as file:
            shape = (1, max(1, total // block.nbytes) * len(block))
            samples = file.create_dataset(
                "iq", shape, block.dtype, chunks=(1, chunk_samples), compression=deflate
            )
            for first in range(0, shape[1], len(block)):
                samples[0, first : first + len(block)] = block
        with path.open("r+b") as raw:
            raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")

    return write


def _mat5(path: Path, total: int) -> None:
    """An element has no room for more than 4 GB, whatever is asked for."""
    part = np.frombuffer(_samples(), "<i2")[::2].astype(np.float32).tobytes()
    blocks = max(1, min(total, 4_000_000_000) // (2 * len(part)))
    size, samples = blocks * len(part), blocks * len(part) // 4
    head = struct.pack("<IIII", 6, 8, 7 | 0x0800, 0) + struct.pack("<IIii", 5, 8, 1, samples)
    head += struct.pack("<HH4s", 1, 2, b"iq")
    with path.open("wb") as file:
        file.write(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM")
        file.write(struct.pack("<II", 14, len(head) + 2 * (8 + size)) + head)
        for _ in ("real", "imaginary"):
            file.write(struct.pack("<II", 7, size))
            _repeated(part, size, file.write)


def _npz_frames(path: Path, total: int) -> None:
    """Frames of 1024 complex64, as data sets of modulations have them."""
    block = np.frombuffer(_samples(), "<i2").astype(np.float32).tobytes()
    blocks = max(1, total // len(block))
    head = _npy_header(blocks * len(block) // (8 * BINS)).replace(b"'<f4'", b"'<c8'")
    with zipfile.ZipFile(path, "w") as archive, archive.open("X.npy", "w", force_zip64=True) as member:
        member.write(head)
        _repeated(block, blocks * len(block), member.write)


def _parquet(path: Path, total: int) -> None:
    levels = _levels()

    def rows() -> Iterator[PsdFrame]:
        for seq in range(_rows(total)):
            at, power_db = 1_700_000_000 * 10**9 + seq * 10**8, levels[seq % BLOCK_ROWS]
            yield PsdFrame("roof", "band", 1, seq, at, 10**8, 868e6, 1e3, power_db, "dBm/bin")

    write_parquet(rows(), path)


def _nist(path: Path, total: int) -> None:
    """Acquisitions of 4096 rows of int8, one after the other."""
    rows = np.round(_levels()).astype(np.int8).tobytes()
    sweep = {"fStart": 703e6, "fStop": 713.24e6, "n": BINS, "td": BLOCK_ROWS, "tm": 1.0, "Det": "Average"}
    with path.open("wb") as file:
        for number in range(max(1, total // len(rows))):
            said = {
                "Ver": "1.0.16",
                "Type": "Data",
                "SensorID": "roof",
                "t": 1_500_000_000 + number * BLOCK_ROWS,
            }
            said |= {
                "mType": "FFT-Power",
                "nM": BLOCK_ROWS,
                "Ta": -1,
                "DataType": "Binary - int8",
                "mPar": sweep,
            }
            text = json.dumps(said).encode()
            file.write(str(len(text)).encode() + b"\r" + text + rows)


# Format -> name of the file, its sidecar if it needs one, its writer.
FORMATS: dict[str, tuple[str, str | None, Write]] = {
    "npy": ("band.npy", MATRIX, _npy),
    "npy-columns": ("band.npy", MATRIX, _npy_columns),
    "npz-stored": ("band.npz", MATRIX, _npz(zipfile.ZIP_STORED)),
    "npz-deflated": ("band.npz", MATRIX, _npz(zipfile.ZIP_DEFLATED)),
    "hdf5": ("band.h5", MATRIX, _hdf5(64)),
    "hdf5-wide": ("band.h5", MATRIX, _hdf5(64 * 1024 * 1024 // (4 * BINS), deflate=1)),
    "csv": ("band.csv", MATRIX, _csv),
    "rtl_power": ("band.csv", None, _sweeps(_rtl_line, (0, 1, 2, 3), 1)),
    "soapy_power-csv": ("band.csv", "format: soapy_power\n", _sweeps(_soapy_line, (0, 1, 2, 3), 1)),
    "soapy_power-binary": ("band.soapy", None, _soapy_binary),
    "hackrf-csv": ("band.csv", None, _sweeps(_hackrf_line, (0, 2, 1, 3), 1)),
    "hackrf-binary": ("band.bin", "start: 2026-01-31T12:00:00Z\nstep_seconds: 0.2\n", _hackrf_binary),
    "es-sensor": ("band.csv", None, _sweeps(_es_line, (0, 1, 2), 3)),
    "cs16": ("band_868M_2000k.cs16", IQ, _cs16),
    "cs16-zst": ("band_868M_2000k.cs16.zst", IQ, _cs16_zst),
    "wav": ("band.wav", "start: 2026-01-31T12:00:00Z\ncenter_hz: 868e6\n", _wav),
    "sigmf": ("band.sigmf-meta", None, _sigmf),
    "parquet": ("band.parquet", None, _parquet),
    "mat73": ("band.mat", IQ, _mat73("<f4", 1 << 18)),
    "mat73-wide": ("band.mat", IQ, _mat73("<f8", 1 << 21, deflate=1)),
    "mat5": ("band.mat", IQ, _mat5),
    "npz-frames": ("band.npz", IQ, _npz_frames),
    "nist": ("band.dat", None, _nist),
}
