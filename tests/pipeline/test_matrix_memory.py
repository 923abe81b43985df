"""Matrices far larger than memory: blocks stay small, and what cannot be read in pieces is refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.readers.hdf5 import Hdf5Matrix
from bandwatch.pipeline.readers.headerless_csv import CsvMatrix
from bandwatch.pipeline.readers.npy import NpyMatrix
from bandwatch.tests.recorded import levels


def sparse_npy(path: Path, rows: int, bins: int, order: str) -> Path:
    """An array of zeros that takes no room on the disk."""
    with path.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": order == "F", "shape": (rows, bins)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + rows * bins * 4)
    return path


@pytest.mark.parametrize(("order", "limit_bytes"), [("C", 20e6), ("F", 40e6)])
@pytest.mark.parametrize("chunk_rows", [1024, 10**9])
def test_a_large_npy_is_never_held_in_memory_nor_mapped(
    tmp_path: Path, order: str, limit_bytes: float, chunk_rows: int
) -> None:
    matrix = NpyMatrix(sparse_npy(tmp_path / "band.npy", 100_000, 1024, order), pass_bytes=16_000_000)
    tracemalloc.start()
    try:
        rows = sum(len(block) for block in matrix.blocks(chunk_rows))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 100_000
    assert peak_bytes < limit_bytes
    block = next(iter(matrix.blocks(8)))
    assert not isinstance(block.base, np.memmap)


@pytest.mark.parametrize("pass_bytes", [1, 100, 10**9])
def test_a_column_major_npy_reads_in_any_number_of_passes(tmp_path: Path, pass_bytes: int) -> None:
    values = levels(50, 6)
    np.save(tmp_path / "band.npy", np.asfortranarray(values))
    matrix = NpyMatrix(tmp_path / "band.npy", pass_bytes=pass_bytes)
    for chunk_rows in (1, 8, 50):
        blocks = [block.copy() for block in matrix.blocks(chunk_rows)]
        np.testing.assert_array_equal(np.concatenate(blocks), values)


@pytest.mark.parametrize("chunks", [(7, 5), (100, 1), (1, 16), None])
def test_hdf5_chunks_of_any_shape_read_alike(tmp_path: Path, chunks: tuple[int, int] | None) -> None:
    values = levels(100, 16)
    with h5py.File(tmp_path / "band.h5", "w") as file:
        file.create_dataset("power", data=values, chunks=chunks, compression=chunks and "gzip")
    matrix = Hdf5Matrix(tmp_path / "band.h5", None, None)
    for chunk_rows in (1, 3, 64, 1000):
        blocks = list(matrix.blocks(chunk_rows))
        assert max(map(len, blocks)) <= chunk_rows
        np.testing.assert_array_equal(np.concatenate(blocks), values)


def test_an_hdf5_chunk_larger_than_the_memory_for_it_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "band.h5", "w") as file:
        file.create_dataset("power", (1_000_000, 64), "f4", chunks=(1_000_000, 64), compression="gzip")
    with pytest.raises(BadInput) as caught:
        Hdf5Matrix(tmp_path / "band.h5", None, None)
    assert "dataset 'power': compressed in chunks of (1000000, 64), 256000000 bytes; limit: 67108864" in str(
        caught.value
    )


def test_an_hdf5_dataset_that_nobody_wrote_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "band.h5", "w") as file:
        file.create_dataset("power", (10**12, 64), "f4", chunks=(64, 64))
    with pytest.raises(BadInput, match="256000000000000 bytes of values, 0 in the file; limit: values that"):
        Hdf5Matrix(tmp_path / "band.h5", None, None)


def test_a_csv_block_is_bounded_whatever_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "band.csv").write_text(("1," * 9_999 + "2\n") * 300)
    matrix = CsvMatrix(tmp_path / "band.csv")
    sizes = [len(block) for block in matrix.blocks(10**9)]
    assert sum(sizes) == 300
    assert max(sizes) * 10_000 * 8 <= 8 * 1024 * 1024


@pytest.mark.parametrize("shape", ["(-1, 4)", "(1" + "0" * 400 + ", 4)", "(9223372036854775807, 2)"])
def test_an_impossible_npy_shape_is_refused(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path = tmp_path / "band.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))
    with pytest.raises(BadInput, match="broken npy header: axes .*; limit: 0 to 281474976710656 long each"):
        NpyMatrix(path)


def test_an_npy_header_of_4_gib_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "band.npy").write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{")
    with pytest.raises(BadInput, match="broken npy header: 4294967295 bytes; limit: 10000"):
        NpyMatrix(tmp_path / "band.npy")
