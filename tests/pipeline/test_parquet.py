"""Parquet: every bit of every frame and gap comes back, through ours and through plain pyarrow."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline import parquet_seal, parquet_writer
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.parquet_rows import SCHEMA
from bandwatch.pipeline.parquet_seal import SealedFile, seal
from bandwatch.pipeline.parquet_writer import write_parquet
from bandwatch.pipeline.readers.parquet import FORMAT
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.sidecar import Sidecar

START_NS = 1_769_860_800_123_456_789
ME = Identity("attic", "srd", 7)


def frame(seq: int, power: Any = None, **changes: Any) -> PsdFrame:
    power_db = np.random.default_rng(seq).normal(-100, 3, 16).astype(np.float32) if power is None else power
    row = PsdFrame(
        "attic", "srd", 7, seq, START_NS + seq * 1000, 1000, 868e6 + 0.1, 1e3 / 3, power_db, "dBm/bin"
    )
    return dataclasses.replace(row, **changes)


def gap(after: int, **changes: Any) -> Gap:
    return dataclasses.replace(Gap("attic", "srd", after, 3, None, "source", START_NS + 1), **changes)


def odd_rows() -> list[PsdFrame | Gap]:
    """Everything a row can hold, NaN payloads too, with gaps first, doubled and last."""
    bits = np.array([0x7FC00001, 0xFFABCDEF, 0x80000000, 0x00000001, 0xFF800000, 0x7F800000], np.uint32)
    return [
        gap(-1, reason="restart", lost_rows=None),
        frame(0, gain_db=0.1, lost_samples=5),
        gap(0, lost_samples=2**40),
        gap(0, reason="clock"),
        frame(4, bits.view(np.float32)),
        frame(5, center_hz=-1e9, unit="dBm/bin"),
        gap(5, reason="overflow", time_ns=START_NS + 9),
    ]


def shown(item: PsdFrame | Gap) -> tuple:
    values = [getattr(item, each.name) for each in dataclasses.fields(item)]
    return tuple(each.tobytes() if isinstance(each, np.ndarray) else each for each in values)


def opened(path: Path, **sidecar: Any):
    return FORMAT.open(path, Sidecar(path.with_name("side.yaml"), **sidecar), Opening())


def read(path: Path, chunk_rows: int = 2, from_ns: int | None = None, **sidecar: Any) -> list[tuple]:
    return [shown(each) for each in opened(path, **sidecar).frames(ME, chunk_rows, from_ns)]


@pytest.mark.parametrize("group_rows", [1, 2, 1000])
@pytest.mark.parametrize("chunk_rows", [1, 1000])
def test_every_bit_of_rows_and_gaps_comes_back(tmp_path, monkeypatch, group_rows, chunk_rows):
    monkeypatch.setattr(parquet_writer, "GROUP_ROWS", group_rows)
    assert write_parquet(odd_rows(), tmp_path / "x.parquet") == 3
    assert read(tmp_path / "x.parquet", chunk_rows) == [shown(each) for each in odd_rows()]
    assert [each.name for each in tmp_path.iterdir()] == ["x.parquet"]


def test_others_read_it_as_a_plain_table(tmp_path):
    rows = [frame(seq) for seq in range(50)]
    write_parquet(rows, tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["time_ns"].cast(pa.int64()).to_pylist() == [each.time_ns for each in rows]
    assert set(table["node"].to_pylist()) == {"attic"}
    stored = np.array(table["power_db"].to_pylist(), np.float32)
    np.testing.assert_array_equal(stored, [each.power_db for each in rows])
    group = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    power = group.column(group.num_columns - 1)
    assert power.compression == "ZSTD"
    assert "BYTE_STREAM_SPLIT" in power.encodings


def test_facts_are_those_of_most_rows(tmp_path):
    rows = [*(frame(seq) for seq in range(5)), frame(9, center_hz=1e6)]
    write_parquet(rows, tmp_path / "x.parquet")
    facts = opened(tmp_path / "x.parquet").facts
    assert (facts.rows, facts.bins, facts.bin_hz, facts.step_ns) == (6, 16, 1e3 / 3, 1000)
    assert facts.first_hz == frame(0).first_hz
    assert (facts.start_ns, facts.end_ns) == (START_NS, START_NS + 10_000)
    assert (facts.node, facts.band, facts.unit) == ("attic", "srd", "dBm/bin")
    assert facts.problems == ("2 different axes: shown are those of most rows",)


def test_rows_take_the_identity_and_streams_of_the_file_stay_apart(tmp_path):
    write_parquet([frame(0), frame(1), frame(0, stream=8)], tmp_path / "x.parquet")
    found = list(opened(tmp_path / "x.parquet").frames(Identity("n", "b", 99), 10, None))
    assert {(each.node, each.band) for each in found} == {("n", "b")}
    assert [each.stream == 99 for each in found] == [True, True, False]


def test_row_groups_before_the_wanted_time_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_writer, "GROUP_ROWS", 10)
    write_parquet([frame(seq) for seq in range(100)], tmp_path / "x.parquet")
    reader = opened(tmp_path / "x.parquet")
    found = [each.seq for each in reader.frames(ME, 3, frame(57).time_ns)]
    assert found == list(range(50, 100))


def test_of_several_bands_the_sidecar_picks_one(tmp_path):
    rows = [
        frame(0),
        frame(0, band="ism"),
        gap(0, band="ism"),
        frame(1),
        frame(4, band="ism"),
        gap(4, band="ism"),
    ]
    write_parquet(rows, tmp_path / "x.parquet")
    with pytest.raises(
        BadInput, match=r"2 bands: attic/ism, attic/srd; write in .*side\.yaml which: band: NAME"
    ):
        opened(tmp_path / "x.parquet")
    assert opened(tmp_path / "x.parquet", band="ism").facts.rows == 2
    kinds = [type(each).__name__ for each in opened(tmp_path / "x.parquet", band="ism").frames(ME, 9, None)]
    assert kinds == ["PsdFrame", "Gap", "PsdFrame", "Gap"]


def test_names_in_a_file_never_break_a_refusal_into_lines(tmp_path):
    write_parquet([frame(0), frame(0, band="a\nb" + 500 * "x")], tmp_path / "x.parquet")
    with pytest.raises(BadInput, match=r"2 bands: attic/a\\nbx{1,80}, attic/srd; write in") as caught:
        opened(tmp_path / "x.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("time_ns", None, "column time_ns is missing"),
        ("bin_hz", pa.array([0.0]), "bin_hz: row 0 of its block is beyond the limit: above 0"),
        ("center_hz", pa.array([np.nan]), "center_hz: row 0 .* within 1e.13 Hz of 0"),
        ("bins", pa.array([15], pa.int32()), "power_db: 16 values; limit: 15, the sum of bins"),
        ("bins", pa.array(["x"]), "bins is string; limit: int32"),
        ("unit", pa.array(["volts"]), "unit: 'volts'; limit: dBFS/bin"),
        ("duration_ns", pa.array([2**62], pa.int64()), "time_ns: row 0 .* from 1970 to 2116"),
        ("seq", pa.array([None], pa.int64()), "seq: 1 rows have none"),
        ("seq", pa.array([-1], pa.int64()), "seq: row 0 .* 0 to 46"),
        ("lost_samples", pa.array([2**62], pa.int64()), "lost_samples: row 0 .* 0 to 46"),
        ("gain_db", pa.array([np.nan]), "gain_db: row 0 .* within 1000 dB of 0"),
    ],
)
def test_a_table_that_is_not_ours_is_refused_in_one_line(tmp_path, column, values, words):
    path = tmp_path / "x.parquet"
    write_parquet([frame(0)], path)
    table = pq.read_table(path)
    place = table.schema.names.index(column)
    table = table.remove_column(place) if values is None else table.set_column(place, column, values)
    pq.write_table(table, path)
    seal(path)
    with pytest.raises(BadInput, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"after_seq": 10**23}, "no count of rows or samples"),
        ({"after_seq": float("inf")}, "a gap without its numbers"),
        ({"lost_rows": -4}, "no count of rows or samples"),
        ({"lost_samples": 2**62}, "no count of rows or samples"),
        ({"time_ns": -1}, "'lost' at -1 ns"),
        ({"reason": "whim"}, "'whim' at 5 ns"),
        ({"reason": "a\nwhim"}, r"'a\\nwhim' at 5 ns"),
    ],
)
def test_a_gap_that_cannot_be_is_refused_in_one_line(tmp_path, changes, words):
    path = tmp_path / "x.parquet"
    write_parquet([frame(0)], path)
    table = pq.read_table(path)
    record = {"node": frame(0).node, "band": frame(0).band, "reason": "lost", "time_ns": 5}
    record |= {"after_seq": 0, "lost_rows": 1, "lost_samples": 1} | changes
    trailing = {b"bandwatch.trailing_gaps": json.dumps([record]).encode()}
    pq.write_table(table.replace_schema_metadata({b"bandwatch.schema": b"1"} | trailing), path)
    seal(path)
    with pytest.raises(BadInput, match=words) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_row_of_other_length_than_its_bins_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet([frame(0), frame(1)], path)
    table = pq.read_table(path)
    pq.write_table(table.set_column(8, "bins", pa.array([15, 17], pa.int32())), path)
    seal(path)
    with pytest.raises(BadInput, match="power_db: a row of 16 values; limit: 15, its bins"):
        read(path)


def test_a_file_that_another_program_wrote_or_rewrote_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(odd_rows(), path)
    pq.write_table(pq.read_table(path), path)
    with pytest.raises(BadInput, match="x.parquet: not written by bandwatch, or rewritten since; limit"):
        read(path)


def test_a_damaged_footer_is_never_given_to_the_library(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(odd_rows(), path)
    raw = path.read_bytes()
    length = int.from_bytes(raw[-8:-4], "little")
    for place in range(len(raw) - 8 - length, len(raw) - 8, 31):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :])
        with pytest.raises(BadInput, match="x.parquet: damaged: its footer is not the one that was written"):
            read(path)


def test_no_damaged_byte_is_given_to_the_library(tmp_path):
    path = tmp_path / "x.parquet"
    write_parquet(odd_rows(), path)
    raw = path.read_bytes()
    end = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    for place in range(0, end, 41):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x5A]) + raw[place + 1 :])
        with pytest.raises(BadInput, match=r"x\.parquet: (damaged: |not written by bandwatch)"):
            read(path)


@pytest.mark.parametrize("block_bytes", [7, 100, 1 << 18])
def test_a_sealed_file_gives_the_bytes_that_are_there_or_none(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(parquet_seal, "BLOCK_BYTES", block_bytes)
    path = tmp_path / "x.parquet"
    write_parquet(odd_rows(), path)
    raw = path.read_bytes()
    sealed = SealedFile(path)
    for first in [*range(0, len(raw) + 50, 313), 0]:
        for count in (0, 1, 99, 5000, -1):
            assert sealed.seek(first) == first
            assert sealed.read(count) == raw[first : None if count < 0 else first + count]
    damaged = bytearray(raw)
    damaged[150] ^= 1
    path.write_bytes(damaged)
    sealed = SealedFile(path)
    first = 150 // block_bytes * block_bytes
    assert sealed.read(first) == raw[:first]
    with pytest.raises(BadInput, match=f"damaged: bytes {first} to .* are not those that were written"):
        sealed.read(block_bytes)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_broken_bytes_are_refused_or_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("broken") / "x.parquet"
    write_parquet(odd_rows(), path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    try:
        read(path)
    except BadInput as error:
        assert "\n" not in str(error)
