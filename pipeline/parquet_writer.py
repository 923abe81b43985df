"""PSD rows -> a parquet file that DuckDB, pandas and `readers/parquet.py` read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from .frames import Gap, PsdFrame
from .parquet_rows import SCHEMA, STORED_SCHEMA, StoredRow, batch_of, gap_record
from .parquet_seal import seal
from .part_file import part_file

GROUP_BYTES = 16 * 1024 * 1024
GROUP_ROWS = 65_536
TRAILING_KEY = b"bandwatch.trailing_gaps"
COMPRESSION_LEVEL = 3

# Statistics let readers skip row groups by time; those of every value would be as long as noise is.
_WORDS = ["node", "band", "unit", "stream", "duration_ns", "center_hz", "bin_hz", "bins", "lost_samples"]
_WITH_STATISTICS = ["time_ns", "node", "band", "stream", "seq", "center_hz", "bins", "entry"]


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of `SCHEMA` or `STORED_SCHEMA`: floats split by bytes, all compressed and checksummed."""
    new_writer = cast(Any, pq.ParquetWriter)  # its stubs know no lists of columns
    return new_writer(
        path,
        schema,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=_WORDS,
        column_encoding={"power_db.list.element": "BYTE_STREAM_SPLIT"},
        write_statistics=[name for name in _WITH_STATISTICS if name in schema.names],
        write_page_checksum=True,
        store_schema=True,
    )


class ParquetRows:
    """Takes rows and gaps in order and writes a row group for each 16 MiB of values.

    Gaps after the last row stand in the file's metadata, as JSON. With `numbered` each row and gap carries
    the number of its entry in a store's journal. Memory: some three row groups. Errors of the system go
    through as they are.
    """

    def __init__(self, path: Path, *, numbered: bool = False) -> None:
        self.rows = 0
        self._path = path
        self._schema = STORED_SCHEMA if numbered else SCHEMA
        self._held: list[StoredRow] = []
        self._held_bytes = 0
        self._gaps: dict[tuple[str, str], list[tuple[int, Gap]]] = {}
        self._writer = open_writer(path, self._schema)

    def add(self, item: PsdFrame | Gap, entry: int = -1) -> None:
        """Take the next row or gap."""
        if isinstance(item, Gap):
            self._gaps.setdefault((item.node, item.band), []).append((entry, item))
            return
        waiting = self._gaps.pop((item.node, item.band), ())
        gaps, numbers = tuple(gap for _, gap in waiting), tuple(number for number, _ in waiting)
        self._held.append(StoredRow(item, gaps, entry, numbers))
        self._held_bytes += item.power_db.nbytes
        if self._held_bytes >= GROUP_BYTES or len(self._held) >= GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is held, the end of the file, and its seal."""
        self._flush()
        if self._gaps:
            gaps = (gap for of_band in self._gaps.values() for gap in of_band)
            self._writer.add_key_value_metadata({TRAILING_KEY: trailing_record(gaps)})
        self._writer.close()
        seal(self._path)

    def discard(self) -> None:
        """Let go of a file that will not be finished."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self._writer.is_open = False

    def _flush(self) -> None:
        if self._held:
            self._writer.write_batch(batch_of(self._held, self._schema))
            self.rows += len(self._held)
            self._held, self._held_bytes = [], 0


def trailing_record(gaps: Iterable[tuple[int, Gap]]) -> bytes:
    """Gaps that no row follows, with the numbers of their entries if they have any, for the metadata."""
    return json.dumps(
        [
            gap_record(gap) | {"node": gap.node, "band": gap.band} | ({} if entry < 0 else {"entry": entry})
            for entry, gap in gaps
        ]
    ).encode()


def write_parquet(items: Iterable[PsdFrame | Gap], path: Path) -> int:
    """Write rows and gaps as a file that appears when it is whole; returns how many rows.

    `BadInput` as in `part_file`.
    """
    with part_file(path) as part:
        rows = ParquetRows(part)
        try:
            for item in items:
                rows.add(item)
            rows.close()
        except BaseException:
            rows.discard()
            raise
        part.replace(path)
    return rows.rows
