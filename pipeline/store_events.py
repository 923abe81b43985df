"""A store's files of events: gaps and notes, a line each, their facts as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from .durable_file import durable_file, new_folder
from .errors import BadInput
from .frames import Gap
from .journal import Note
from .parquet_file import open_parquet
from .parquet_rows import gap_record
from .parquet_seal import seal

BATCH_EVENTS = 8192

_WORD = pa.dictionary(pa.int32(), pa.string())
EVENTS_SCHEMA = pa.schema(
    [
        pa.field("entry", pa.int64(), nullable=False),
        pa.field("time_ns", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("node", _WORD, nullable=False),
        pa.field("band", _WORD, nullable=False),
        pa.field("kind", _WORD, nullable=False),
        pa.field("facts", pa.string(), nullable=False),
    ],
    metadata={b"bandwatch.events": b"1"},
)

pc = cast(Any, pyarrow.compute)  # its functions are made when it is imported: no stubs
_facts = msgspec.json.Decoder(dict[str, Any])


def as_note(event: Gap | Note) -> Note:
    """A gap as an event of the kind `gap`, its numbers as facts."""
    if isinstance(event, Note):
        return event
    facts = gap_record(event)
    del facts["time_ns"]
    return Note(event.node, event.band, event.time_ns, "gap", facts)


def write_events(path: Path, events: Sequence[tuple[int, Note]]) -> None:
    """Write numbered events to a file that appears when it is whole and on the disk. OSError."""
    columns = {
        "entry": [number for number, _ in events],
        "time_ns": [note.time_ns for _, note in events],
        "node": [note.node for _, note in events],
        "band": [note.band for _, note in events],
        "kind": [note.kind for _, note in events],
        "facts": [msgspec.json.encode(note.facts).decode() for _, note in events],
    }
    table = pa.table([pa.array(columns[each.name], each.type) for each in EVENTS_SCHEMA], EVENTS_SCHEMA)
    new_folder(path.parent)
    with durable_file(path) as part:
        with open_events_writer(part) as writer:
            writer.write_table(table)
        seal(part)


def open_events_writer(path: Path) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path, EVENTS_SCHEMA, compression="zstd", write_page_checksum=True, store_schema=True
    )


def read_events(
    path: Path,
    *,
    after_entry: int = -1,
    since_ns: int | None = None,
    until_ns: int | None = None,
    node: str | None = None,
    band: str | None = None,
    kinds: Collection[str] | None = None,
) -> Iterator[tuple[int, Note]]:
    """The events of a file that are asked for, in order; `BadInput` where it is damaged."""
    with open_parquet(path) as file:
        for batch in event_batches(file):
            time_ns = batch.column("time_ns").cast(pa.int64())
            wanted = pc.greater(batch.column("entry"), after_entry)
            if since_ns is not None:
                wanted = pc.and_(wanted, pc.greater_equal(time_ns, since_ns))
            if until_ns is not None:
                wanted = pc.and_(wanted, pc.less(time_ns, until_ns))
            for name, words in (("node", node), ("band", band), ("kind", kinds)):
                if words is not None:
                    among = pa.array([words] if isinstance(words, str) else list(words), pa.string())
                    column = batch.column(name).dictionary_decode()
                    wanted = pc.and_(wanted, pc.is_in(column, value_set=among))
            mine = batch.filter(wanted)
            moments = mine.column("time_ns").cast(pa.int64()).to_pylist()
            others = (mine.column(name).to_pylist() for name in ("entry", "node", "band", "kind", "facts"))
            for moment_ns, entry, of_node, of_band, kind, facts in zip(moments, *others, strict=True):
                yield entry, Note(of_node, of_band, moment_ns, kind, _decoded(facts))


def event_batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """All events of an open file; `BadInput` if its columns are not those of events."""
    if not file.schema_arrow.equals(EVENTS_SCHEMA):
        raise BadInput("not a store's table of events: its columns are others")
    return file.iter_batches(BATCH_EVENTS, use_threads=False)


def _decoded(facts: str) -> dict[str, Any]:
    try:
        return _facts.decode(facts)
    except msgspec.DecodeError as error:
        raise BadInput(f"facts: {error}") from None
