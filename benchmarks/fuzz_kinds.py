"""How bytes become a file or a message, and what may come of it: rows, or a refusal in one line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.parquet_rows import SCHEMA
from bandwatch.pipeline.parquet_seal import seal
from bandwatch.pipeline.parquet_writer import TRAILING_KEY
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.wire import WireError, decode, encode

MOST_VALUES = 2_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """The fuzzed bytes go to `file_name`; the `others` stand beside it as they are."""

    file_name: str
    seeds: Callable[[], list[bytes]]
    others: tuple[tuple[str, bytes], ...] = ()
    open_name: str | None = None

    def run(self, data: bytes, folder: Path) -> str | None:
        """The refusal, or None."""
        for name, content in self.others:
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
        (folder / self.file_name).write_bytes(data)
        return refusal(folder / (self.open_name or self.file_name))


@dataclass(frozen=True, slots=True)
class TableTarget:
    """Whole and sealed Parquet files of values that nobody would write: each 10 bytes change one.

    Bytes are a column (the last of all: the trailing gaps), a row, and eight of what stands there instead.
    """

    file_name: str
    seeds: Callable[[], list[bytes]]
    columns: Callable[[], dict[str, list[Any]]]

    def run(self, data: bytes, folder: Path) -> str | None:
        """The refusal, or None; also None where there is no such table."""
        columns, trailing = self.columns(), "[]"
        for first in range(0, len(data) - 9, 10):
            name = [*SCHEMA.names, "trailing"][data[first] % (len(SCHEMA) + 1)]
            change = data[first + 2 : first + 10]
            if name == "trailing":
                trailing = (
                    change.decode("latin-1") if data[first + 1] else f"[{{{change.decode('latin-1')}}}]"
                )
            else:
                row = data[first + 1] % len(columns[name])
                columns[name][row] = _changed(columns[name][row], SCHEMA.field(name).type, change)
        path = folder / self.file_name
        try:
            made = {name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()}
            schema = pa.schema([field.with_nullable(True) for field in SCHEMA], SCHEMA.metadata)
            table = pa.table(made, schema).replace_schema_metadata(
                {**SCHEMA.metadata, TRAILING_KEY: trailing.encode()}
            )
            pq.write_table(table, path, row_group_size=4)
        except (pa.ArrowException, ValueError, OverflowError, TypeError):
            return None
        seal(path)
        return refusal(path)


def _changed(value: Any, kind: pa.DataType, change: bytes) -> Any:
    """Another value of a type, of 8 bytes; None where the first is 255."""
    if change[0] == 255:
        return None
    if pa.types.is_list(kind):
        place, length = change[1], change[0] % 6
        longer = [*(value or []), *(value or []), *(value or [])][:length]
        if longer and pa.types.is_struct(kind.value_type):
            field = kind.value_type[place % kind.value_type.num_fields]
            longer[0] = {**longer[0], field.name: _changed(longer[0][field.name], field.type, change[2:] * 2)}
        return longer
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind):
        return change.rstrip(b"\0").decode("latin-1")
    if pa.types.is_floating(kind):
        return struct.unpack("<d", change[:8])[0]
    count = int.from_bytes(change[:8], "little", signed=not pa.types.is_unsigned_integer(kind))
    return count >> 32 if kind == pa.int32() else count


@dataclass(frozen=True, slots=True)
class WireTarget:
    """Byte 0 is the topic's length, bytes 1 and 2 the header's; the rest is the payload."""

    seeds: Callable[[], list[bytes]]

    def run(self, data: bytes, folder: Path) -> str | None:
        """The refusal, or None."""
        del folder
        if len(data) < 3:
            return None
        topic_end = 3 + data[0]
        header_end = topic_end + int.from_bytes(data[1:3], "little")
        try:
            message = decode([data[3:topic_end], data[topic_end:header_end], data[header_end:]])
        except WireError as error:
            assert "\n" not in str(error), f"a refusal of several lines: {error}"
            return str(error)
        encode(message)
        return None


def refusal(path: Path) -> str | None:
    """In one line, or None: the whole file is read, but for rows beyond two million values."""
    try:
        recording = open_recording(path, time_zone=ZoneInfo("UTC"))
        values = 0
        for item in recording:
            values += item.bins if isinstance(item, PsdFrame) else 1
            if values > MOST_VALUES:
                break
        assert all("\n" not in each for each in recording.problems), recording.problems
    except BadInput as error:
        assert "\n" not in str(error), f"a refusal of several lines: {error}"
        return str(error)
    return None
