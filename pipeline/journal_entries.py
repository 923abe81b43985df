"""What a journal holds, as Arrow record batches: rows, gaps and notes in one flat table.

`kind` says what an entry is: `row`, `gap`, or the kind of its note. A row has its numbers in columns; of a
gap and a note they are JSON in `facts`, so that a reader of events needs one column. Words are plain text
without dictionaries: every batch can be read on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta, Struct

from .errors import BadInput
from .frames import Float32, Gap, PowerUnit, PsdFrame, read_only
from .limits import BINS_RANGE, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ
from .parquet_rows import gap_of, gap_record


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened, at `time_ns` UTC; `node` and `band` are "" for the agent's own.

    `facts` are what JSON can say: None, bool, int of 64 bits, float, text, lists, and dicts with text as
    keys. Out of a journal a tuple comes as a list, and a number that is not finite as None.
    """

    node: str
    band: str
    time_ns: int
    kind: str
    facts: Mapping[str, Any]


Entry = PsdFrame | Gap | Note

ROW, GAP = "row", "gap"

_VALUES = pa.list_(pa.field("element", pa.float32(), nullable=False))
SCHEMA = pa.schema(
    [
        pa.field("entry", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("node", pa.string(), nullable=False),
        pa.field("band", pa.string(), nullable=False),
        pa.field("time_ns", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("duration_ns", pa.int64()),
        pa.field("stream", pa.uint64()),
        pa.field("seq", pa.int64()),
        pa.field("center_hz", pa.float64()),
        pa.field("bin_hz", pa.float64()),
        pa.field("unit", pa.string()),
        pa.field("gain_db", pa.float64()),
        pa.field("lost_samples", pa.int64()),
        pa.field("facts", pa.string()),
        pa.field("power_db", _VALUES),
    ],
    metadata={b"bandwatch.journal": b"1"},
)
_PLAIN = SCHEMA.names[1:-1]  # all but the number and the values


def batch_of(first_entry: int, entries: Sequence[Entry]) -> pa.RecordBatch:
    """At least one entry as a record batch of `SCHEMA`, numbered from `first_entry`.

    ValueError or TypeError for a note that is called as rows or gaps are, or that JSON cannot say.
    """
    columns = zip(*map(_record, entries), strict=True)
    rows = [each.power_db if isinstance(each, PsdFrame) else _NO_VALUES for each in entries]
    ends = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    others = np.array([not isinstance(each, PsdFrame) for each in entries])
    values = pa.array(np.concatenate(rows, dtype=np.float32))
    mask = pa.array(others) if others.any() else None
    arrays: list[pa.Array] = [pa.array(np.arange(first_entry, first_entry + len(entries)))]
    arrays += [
        pa.array(column, SCHEMA.field(name).type) for name, column in zip(_PLAIN, columns, strict=True)
    ]
    arrays.append(pa.ListArray.from_arrays(pa.array(ends), values, type=_VALUES, mask=mask))
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


_NO_VALUES: Float32 = read_only(np.empty(0, np.float32))


def _record(entry: Entry) -> tuple[Any, ...]:
    """The columns `_PLAIN` of an entry."""
    if isinstance(entry, PsdFrame):
        return (
            ROW,
            entry.node,
            entry.band,
            entry.time_ns,
            entry.duration_ns,
            entry.stream,
            entry.seq,
            entry.center_hz,
            entry.bin_hz,
            entry.unit,
            entry.gain_db,
            entry.lost_samples,
            None,
        )
    if isinstance(entry, Gap):
        kind, facts = GAP, gap_record(entry)
        del facts["time_ns"]
    else:
        kind, facts = entry.kind, entry.facts
        if kind in (ROW, GAP, ""):
            raise ValueError(f"note of kind '{kind}': limit: any word but '{ROW}' and '{GAP}'")
    text = _facts_encoder.encode(facts).decode()
    return (kind, entry.node, entry.band, entry.time_ns, *_NOT_A_ROW, text)


_NOT_A_ROW = (None,) * 8


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be a fact")


_facts_encoder = msgspec.json.Encoder(enc_hook=_plain)
_facts_decoder = msgspec.json.Decoder(dict[str, Any])

_Count = Annotated[int, Meta(ge=0, le=2**62 - 1)]


class _Row(Struct, gc=False):
    """A row's columns, within the limits that recordings have; a range also refuses NaN and infinity."""

    time_ns: Annotated[int, Meta(ge=0, le=LATEST_NS)]
    duration_ns: Annotated[int, Meta(ge=1, le=LATEST_NS)]
    stream: Annotated[int, Meta(ge=0)]
    seq: _Count
    center_hz: Annotated[float, Meta(ge=-MOST_CENTER_HZ, le=MOST_CENTER_HZ)]
    bin_hz: Annotated[float, Meta(gt=0, le=MOST_STEP_HZ)]
    unit: PowerUnit
    gain_db: Annotated[float, Meta(ge=-1000, le=1000)] | None
    lost_samples: _Count
    bins: Annotated[int, Meta(ge=BINS_RANGE[0], le=BINS_RANGE[1])]


def entries_of(batch: pa.RecordBatch) -> Iterator[Entry | BadInput]:
    """The entries of a batch of `SCHEMA`, in order, a refusal in the place of one that cannot be.

    Values are read-only views of the batch. `pa.ArrowException` where the batch is not sound.
    """
    batch.validate(full=True)
    columns = [_listed(batch, name) for name in _PLAIN]
    lists = batch.column("power_db")
    ends = lists.offsets.to_numpy(zero_copy_only=False).tolist()
    values: Float32 = read_only(lists.values.to_numpy(zero_copy_only=False).view())
    for row, record in enumerate(zip(*columns, strict=True)):
        try:
            yield _entry(dict(zip(_PLAIN, record, strict=True)), values[ends[row] : ends[row + 1]])
        except BadInput as refusal:
            yield refusal


def _listed(batch: pa.RecordBatch, name: str) -> list[Any]:
    column = batch.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())  # Python's own datetimes know no nanoseconds
    return column.to_pylist()


_EVERY_ONE_HAS = ("kind", "node", "band", "time_ns")


def _entry(record: dict[str, Any], power_db: Float32) -> Entry:
    kind, node, band, time_ns = (record[name] for name in _EVERY_ONE_HAS)
    if None in (kind, node, band, time_ns):
        raise BadInput(f"an entry without one of {', '.join(_EVERY_ONE_HAS)}")
    if kind == ROW:
        try:
            row = msgspec.convert(record | {"bins": len(power_db)}, _Row)
        except msgspec.ValidationError as error:
            raise BadInput(f"row: {error}") from None
        if row.time_ns > LATEST_NS - row.duration_ns:
            raise BadInput(f"row: from {row.time_ns} for {row.duration_ns} ns; limit: the year 2116")
        return PsdFrame(
            node=node,
            band=band,
            stream=row.stream,
            seq=row.seq,
            time_ns=row.time_ns,
            duration_ns=row.duration_ns,
            center_hz=row.center_hz,
            bin_hz=row.bin_hz,
            power_db=power_db,
            unit=row.unit,
            gain_db=row.gain_db,
            lost_samples=row.lost_samples,
        )
    try:
        facts = _facts_decoder.decode(record["facts"] or "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(f"{kind[:40]!r}: its facts: {error}") from None
    if kind == GAP:
        return gap_of(facts | {"time_ns": time_ns}, node, band)
    return Note(node, band, time_ns, kind, facts)
