"""The parts of a day that is over become one file, without looking at a single value."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .durable_file import durable_file, sync
from .errors import BadInput
from .frames import NS_PER_S, Gap
from .parquet_file import open_parquet
from .parquet_rows import STORED_SCHEMA, gap_record
from .parquet_seal import seal
from .parquet_writer import GROUP_BYTES, GROUP_ROWS, TRAILING_KEY, open_writer, trailing_record
from .store_events import event_batches, open_events_writer
from .store_layout import Listing, StoredFile, day_end_ns, range_name
from .store_rows import stored_batches, trailing_gaps

LATE_NS = 2 * 3600 * NS_PER_S
MERGED_BYTES = 256 * 1024 * 1024

_TRANSIENT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOENT)


class DamagedFileError(BadInput):
    """A stored file that its seal or Arrow refuses."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def due_merge(found: Listing, now_ns: int, most_bytes: int) -> list[StoredFile]:
    """Files of one folder, next to one another, to be made one; none where nothing is due.

    A day is due two hours after it is over, once a later segment has brought nothing more for it: so a
    source whose clock stands still does not have its one day written again with every segment. Files
    whose segments are still there, or older ones, wait, as ranges may not reach over what is to come.
    """
    newest = max((each.last_entry for each in found.files), default=-1)
    oldest_waiting = min((each.first_entry for each in found.segments), default=newest + 1)
    folders: dict[Path, list[StoredFile]] = {}
    for each in found.live():
        if day_end_ns(each.day) + LATE_NS <= now_ns:
            folders.setdefault(each.folder, []).append(each)
    for files in folders.values():
        reach = max(each.last_entry for each in files)
        if len(files) > 1 and reach < min(newest, oldest_waiting):
            for run in _runs(sorted(files, key=lambda each: each.first_entry), most_bytes):
                if len(run) > 1:
                    return run
    return []


def merge(files: Sequence[StoredFile]) -> Iterator[None]:
    """Write the one file that stands for these, then delete them; a piece of work between two items.

    It may be ended anywhere: readers leave out files whose range lies in another's. `DamagedFileError`, and
    nothing changed, where one of them cannot be read; OSError as the system gives it.
    """
    target = files[0].folder / range_name(files[0].first_entry, files[-1].last_entry)
    of_rows = files[0].band is not None
    with durable_file(target) as part:
        writer = open_writer(part, STORED_SCHEMA) if of_rows else open_events_writer(part)
        try:
            batches = _rows_of(files, writer) if of_rows else _events_of(files)
            for group in _groups(batches):
                writer.write_table(pa.Table.from_batches(group).unify_dictionaries(), GROUP_ROWS)
                sync(part)  # a little at a time: the whole of it would hold up who waits for the disk
                yield
            writer.close()
        except BaseException:
            with suppress(OSError, pa.ArrowException):
                writer.close()
            writer.is_open = False
            raise
        yield
        seal(part)
    for each in files:
        each.path.unlink(missing_ok=True)


def _runs(files: Sequence[StoredFile], most_bytes: int) -> Iterator[list[StoredFile]]:
    run: list[StoredFile] = []
    for each in files:
        apart = bool(run) and each.first_entry <= run[-1].last_entry
        if run and (apart or sum(other.size_bytes for other in run) + each.size_bytes > most_bytes):
            yield run
            run = []
        run.append(each)
    yield run


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES or sum(each.num_rows for each in group) >= GROUP_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _rows_of(files: Sequence[StoredFile], writer: pq.ParquetWriter) -> Iterator[pa.RecordBatch]:
    """The rows of all files; gaps after the last row of one go before the first of the next."""
    gaps: list[tuple[int, Gap]] = []

    def read(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        for batch in stored_batches(file):
            if gaps:
                yield _with_gaps(batch.slice(0, 1), gaps)
                gaps.clear()
                if batch.num_rows > 1:
                    yield batch.slice(1)
            else:
                yield batch
        gaps.extend(trailing_gaps(file))

    for each in files:
        yield from _reading(each.path, read)
    if gaps:
        writer.add_key_value_metadata({TRAILING_KEY: trailing_record(gaps)})


def _events_of(files: Sequence[StoredFile]) -> Iterator[pa.RecordBatch]:
    for each in files:
        yield from _reading(each.path, event_batches)


def _reading(
    path: Path, read: Callable[[pq.ParquetFile], Iterator[pa.RecordBatch]]
) -> Iterator[pa.RecordBatch]:
    try:
        with open_parquet(path) as file:
            yield from read(file)
    except BadInput as error:
        cause = error.__context__
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _TRANSIENT):
            raise OSError(getattr(cause, "errno", None) or errno.ENOMEM, str(error)) from None
        raise DamagedFileError(path, str(error)) from None


def _with_gaps(row: pa.RecordBatch, gaps: Sequence[tuple[int, Gap]]) -> pa.RecordBatch:
    """One row with more gaps before those it has."""
    more = {"gaps": [gap_record(gap) for _, gap in gaps], "gap_entries": [entry for entry, _ in gaps]}
    columns: list[pa.Array] = []
    for name in STORED_SCHEMA.names:
        column = row.column(name)
        if name in more:
            kind = STORED_SCHEMA.field(name).type
            values = pa.concat_arrays([pa.array(more[name], kind.value_type), column.flatten()])
            column = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values, type=kind)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=STORED_SCHEMA)
