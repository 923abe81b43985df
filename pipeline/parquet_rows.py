"""PSD rows as Arrow record batches: the one table that recordings and stores have.

A row is a line; the gaps that stood before it are in `gaps`. `power_db` is bit for bit what the frame had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import BadInput
from .frames import POWER_UNITS, Float32, Gap, GapReason, PowerUnit, PsdFrame, read_only
from .limits import BINS_RANGE, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ

SCHEMA_KEY = b"bandwatch.schema"
SCHEMA_VERSION = b"1"

_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("ns", "UTC")
GAP_TYPE = pa.struct(
    [
        pa.field("reason", pa.string(), nullable=False),
        pa.field("after_seq", pa.int64(), nullable=False),
        pa.field("lost_rows", pa.int64()),
        pa.field("lost_samples", pa.int64()),
        pa.field("time_ns", _TIME, nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("time_ns", _TIME, nullable=False),
        pa.field("duration_ns", pa.int64(), nullable=False),
        pa.field("node", _WORD, nullable=False),
        pa.field("band", _WORD, nullable=False),
        pa.field("stream", pa.uint64(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("center_hz", pa.float64(), nullable=False),
        pa.field("bin_hz", pa.float64(), nullable=False),
        pa.field("bins", pa.int32(), nullable=False),
        pa.field("unit", _WORD, nullable=False),
        pa.field("gain_db", pa.float64()),
        pa.field("lost_samples", pa.int64(), nullable=False),
        pa.field("gaps", pa.list_(pa.field("element", GAP_TYPE, nullable=False)), nullable=False),
        pa.field("power_db", pa.list_(pa.field("element", pa.float32(), nullable=False)), nullable=False),
    ],
    metadata={SCHEMA_KEY: SCHEMA_VERSION},
)
"""`bins` is the length of `power_db`: with it the axes of a file are known without its values."""

STORED_SCHEMA = pa.schema(
    [
        *SCHEMA,
        pa.field("entry", pa.int64(), nullable=False),
        pa.field("gap_entries", pa.list_(pa.field("element", pa.int64(), nullable=False)), nullable=False),
    ],
    metadata=SCHEMA.metadata,
)
"""A store's rows: the same, and the numbers of the journal's entries that the row and its gaps were."""

AXES = ("time_ns", "duration_ns", "node", "band", "stream", "center_hz", "bin_hz", "bins", "unit")


@dataclass(frozen=True, slots=True, eq=False)
class StoredRow:
    """A frame and the gaps that stood before it; in a store also the numbers of their entries."""

    frame: PsdFrame
    gaps: Sequence[Gap] = field(default=())
    entry: int = -1
    gap_entries: Sequence[int] = field(default=())


def batch_of(rows: Sequence[StoredRow], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    """At least one row as a record batch of `SCHEMA` or `STORED_SCHEMA`."""
    frames = [each.frame for each in rows]
    values = np.concatenate([each.power_db for each in frames])
    ends = np.cumsum([0, *(each.bins for each in frames)], dtype=np.int32)
    columns: dict[str, Any] = {
        "time_ns": pa.array([each.time_ns for each in frames], pa.int64()).cast(_TIME),
        "gaps": pa.array(
            [[gap_record(gap) for gap in each.gaps] for each in rows], SCHEMA.field("gaps").type
        ),
        "power_db": pa.ListArray.from_arrays(
            pa.array(ends), pa.array(values), type=SCHEMA.field("power_db").type
        ),
    }
    for each in schema:
        if each.name in _OF_ROW:
            columns[each.name] = pa.array([getattr(row, each.name) for row in rows], each.type)
        elif each.name not in columns:
            columns[each.name] = pa.array([getattr(frame, each.name) for frame in frames], each.type)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


_OF_ROW = ("entry", "gap_entries")


def gap_record(gap: Gap) -> dict[str, Any]:
    """A gap as plain values; its node and band are those of the row that it stands with."""
    return {
        "reason": gap.reason,
        "after_seq": gap.after_seq,
        "lost_rows": gap.lost_rows,
        "lost_samples": gap.lost_samples,
        "time_ns": gap.time_ns,
    }


def gap_of(record: dict[str, Any], node: str, band: str) -> Gap:
    """The gap of a record; `BadInput` where it is not one of ours."""
    try:
        gap = Gap(
            node=node,
            band=band,
            after_seq=int(record["after_seq"]),
            lost_rows=_maybe(record["lost_rows"]),
            lost_samples=_maybe(record["lost_samples"]),
            reason=cast(GapReason, str(record["reason"])),
            time_ns=int(record["time_ns"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadInput("gaps: a gap without its numbers") from None
    if gap.reason not in _REASONS or not 0 <= gap.time_ns <= LATEST_NS:
        raise BadInput(f"gaps: {gap.reason[:20]!r} at {gap.time_ns} ns; limit: {', '.join(_REASONS)}")
    if not -1 <= gap.after_seq <= _MOST or not all(
        0 <= lost <= _MOST for lost in (gap.lost_rows, gap.lost_samples) if lost is not None
    ):
        raise BadInput(f"gaps: a number that no count of rows or samples can be; limit: 0 to {_MOST}")
    return gap


_REASONS: tuple[str, ...] = GapReason.__args__
_MOST = 2**62 - 1  # of rows or samples; and dB of gain: as messages have it
_MOST_GAIN_DB = 1000.0


def _maybe(value: Any) -> int | None:
    return None if value is None else int(value)


def rows_of(batch: pa.RecordBatch) -> Iterator[StoredRow]:
    """The rows of a record batch, their values views of it; `BadInput` where one cannot be."""
    check_axes(batch)
    plain = {name: _plain(batch, name) for name in SCHEMA.names if name not in ("power_db", "gaps")}
    lists = batch.column("power_db")
    offsets = lists.offsets.to_numpy(zero_copy_only=False).tolist()
    values: Float32 = read_only(lists.values.to_numpy(zero_copy_only=False).view())
    if lists.null_count or lists.values.null_count:
        raise BadInput(
            "power_db: a row or a value that is missing; limit: a number for every bin (NaN is one)"
        )
    for name in ("seq", "lost_samples"):
        count = axis(batch, name)
        _require((count >= 0) & (count <= _MOST), name, f"0 to {_MOST}")
    gain_db = batch.column("gain_db").drop_null().to_numpy(zero_copy_only=False)
    _require(np.abs(gain_db) <= _MOST_GAIN_DB, "gain_db", f"within {_MOST_GAIN_DB:g} dB of 0, or none")
    gaps = _gaps_of(batch)
    for row in range(batch.num_rows):
        first, end = offsets[row], offsets[row + 1]
        if end - first != plain["bins"][row]:
            raise BadInput(f"power_db: a row of {end - first} values; limit: {plain['bins'][row]}, its bins")
        node, band = plain["node"][row], plain["band"][row]
        frame = PsdFrame(
            node=node,
            band=band,
            stream=plain["stream"][row],
            seq=plain["seq"][row],
            time_ns=plain["time_ns"][row],
            duration_ns=plain["duration_ns"][row],
            center_hz=plain["center_hz"][row],
            bin_hz=plain["bin_hz"][row],
            power_db=values[first:end],
            unit=cast(PowerUnit, plain["unit"][row]),
            gain_db=plain["gain_db"][row],
            lost_samples=plain["lost_samples"][row],
        )
        yield StoredRow(frame, [gap_of(each, node, band) for each in gaps[row] or ()])


def axis(batch: pa.RecordBatch, name: str) -> NDArray[Any]:
    """A column of whole or real numbers [rows]; `BadInput` where one is missing."""
    column = batch.column(name)
    if column.null_count:
        raise BadInput(f"{name}: {column.null_count} rows have none; limit: one a row")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy(zero_copy_only=False)


def check_axes(batch: pa.RecordBatch) -> None:
    """`BadInput` where a row's time, frequencies, bins or unit are beyond the limits."""
    time_ns, duration_ns = axis(batch, "time_ns"), axis(batch, "duration_ns")
    in_time = (time_ns >= 0) & (time_ns <= LATEST_NS) & (duration_ns > 0) & (duration_ns <= LATEST_NS)
    _require(
        in_time & (time_ns <= LATEST_NS - np.where(in_time, duration_ns, 0)), "time_ns", "from 1970 to 2116"
    )
    center_hz, bin_hz, bins = axis(batch, "center_hz"), axis(batch, "bin_hz"), axis(batch, "bins")
    _require(np.abs(center_hz) <= MOST_CENTER_HZ, "center_hz", f"within {MOST_CENTER_HZ:g} Hz of 0")
    _require((bin_hz > 0) & (bin_hz <= MOST_STEP_HZ), "bin_hz", f"above 0, up to {MOST_STEP_HZ:g} Hz")
    fewest, most = BINS_RANGE
    _require((bins >= fewest) & (bins <= most), "bins", f"{fewest} to {most}")
    for name in ("node", "band", "unit"):
        if batch.column(name).null_count:
            raise BadInput(f"{name}: missing in a row; limit: one a row")
    units = set(batch.column("unit").dictionary.to_pylist())
    if not units <= set(POWER_UNITS):
        raise BadInput(f"unit: {', '.join(sorted(map(repr, units)))[:80]}; limit: {', '.join(POWER_UNITS)}")


def _require(right: NDArray[np.bool_], name: str, limit: str) -> None:
    if not right.all():
        raise BadInput(f"{name}: row {int(np.argmin(right))} of its block is beyond the limit: {limit}")


def _plain(batch: pa.RecordBatch, name: str) -> list[Any]:
    column = batch.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if column.null_count and name != "gain_db":
        raise BadInput(f"{name}: {column.null_count} rows have none; limit: one a row")
    return column.to_pylist()


def _gaps_of(batch: pa.RecordBatch) -> list[list[dict[str, Any]] | None]:
    # Times as numbers: Python's own datetimes know no nanoseconds.
    fields = [field_.with_type(pa.int64()) if field_.name == "time_ns" else field_ for field_ in GAP_TYPE]
    column = batch.column("gaps")
    if not len(column.values):
        return [None] * batch.num_rows
    return column.cast(pa.list_(pa.struct(fields))).to_pylist()
