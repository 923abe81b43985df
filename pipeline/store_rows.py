"""A store's files of rows: written from numbered rows and gaps, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from .durable_file import durable_file, new_folder
from .errors import BadInput
from .frames import Gap, PsdFrame
from .parquet_file import open_parquet
from .parquet_rows import STORED_SCHEMA, gap_of, rows_of
from .parquet_writer import TRAILING_KEY, ParquetRows

BATCH_BYTES = 4 * 1024 * 1024

pc = cast(Any, pyarrow.compute)  # its functions are made when it is imported: no stubs


@contextmanager
def new_rows_file(path: Path) -> Iterator[ParquetRows]:
    """What takes the rows and gaps of one band; the file is there, whole and to last, after the block."""
    new_folder(path.parent)
    with durable_file(path) as part:
        rows = ParquetRows(part, numbered=True)
        try:
            yield rows
            rows.close()
        except BaseException:
            rows.discard()
            raise


def read_rows(
    path: Path, *, after_entry: int = -1, since_ns: int | None = None, until_ns: int | None = None
) -> Iterator[tuple[int, PsdFrame | Gap]]:
    """The rows of a file and the gaps before each, with the numbers of their entries, in order.

    Of the entries beyond `after_entry` those of rows that begin from `since_ns` on and before `until_ns`,
    and all gaps after the last row. `BadInput` where the file is damaged, which may come after some of it.
    """
    with open_parquet(path) as file:
        for batch in stored_batches(file, after_entry, since_ns, until_ns):
            numbers = batch.column("entry").to_pylist()
            gap_numbers = batch.column("gap_entries").to_pylist()
            for row, number, of_gaps in zip(rows_of(batch), numbers, gap_numbers, strict=True):
                yield from (each for each in zip(of_gaps, row.gaps, strict=True) if each[0] > after_entry)
                if number > after_entry:
                    yield number, row.frame
        for number, gap in trailing_gaps(file):
            if number > after_entry:
                yield number, gap


def stored_batches(
    file: pq.ParquetFile, after_entry: int = -1, since_ns: int | None = None, until_ns: int | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of an open file within limits, 4 MiB at a time; `BadInput` if its columns are not a store's.

    Rows up to `after_entry` may be among them.
    """
    if not file.schema_arrow.equals(STORED_SCHEMA):
        raise BadInput("not a store's table of rows: its columns are others")
    groups = [
        number
        for number in range(file.num_row_groups)
        if _may_hold(file, number, after_entry, since_ns, until_ns)
    ]
    for batch in file.iter_batches(_rows_at_once(file), groups, use_threads=False):
        time_ns = batch.column("time_ns").cast(pa.int64())
        if since_ns is not None and since_ns > pc.min(time_ns).as_py():
            batch = batch.filter(pc.greater_equal(time_ns, since_ns))
            time_ns = batch.column("time_ns").cast(pa.int64())
        if until_ns is not None and batch.num_rows and until_ns <= pc.max(time_ns).as_py():
            batch = batch.filter(pc.less(time_ns, until_ns))
        if batch.num_rows:
            yield batch


def trailing_gaps(file: pq.ParquetFile) -> list[tuple[int, Gap]]:
    """The gaps after the last row of an open file, and the numbers of their entries."""
    raw = (file.metadata.metadata or {}).get(TRAILING_KEY)
    if raw is None:
        return []
    return [(int(each["entry"]), gap_of(each, each["node"], each["band"])) for each in json.loads(raw)]


def rows_in(path: Path) -> int:
    """How many rows a file has; `BadInput` where its footer is damaged."""
    with open_parquet(path) as file:
        return file.metadata.num_rows


def _may_hold(
    file: pq.ParquetFile, group: int, after_entry: int, since_ns: int | None, until_ns: int | None
) -> bool:
    columns = file.schema_arrow.names
    # Columns before the lists have one leaf each, those after them come last.
    time_ns = file.metadata.row_group(group).column(columns.index("time_ns")).statistics
    leaves = file.metadata.num_columns
    entry = file.metadata.row_group(group).column(leaves - 2).statistics
    if entry is not None and entry.has_min_max and entry.max <= after_entry:
        return False
    if time_ns is None or not time_ns.has_min_max:
        return True
    return (since_ns is None or time_ns.max_raw >= since_ns) and (
        until_ns is None or time_ns.min_raw < until_ns
    )


def _rows_at_once(file: pq.ParquetFile) -> int:
    """Equal values compress to almost nothing: what counts is how many there are."""
    most = 1
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        values = max(group.column(place).num_values for place in range(group.num_columns))
        most = max(most, values // max(1, group.num_rows))
    return max(1, BATCH_BYTES // (4 * most))
