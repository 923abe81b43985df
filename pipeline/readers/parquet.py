"""`.parquet`: PSD rows as `parquet_writer.py` writes them, or anyone in the same columns."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ..errors import BadInput
from ..frames import Gap, PowerUnit, PsdFrame
from ..limits import BINS_RANGE
from ..parquet_file import open_parquet
from ..parquet_rows import AXES, SCHEMA, SCHEMA_KEY, SCHEMA_VERSION, axis, check_axes, gap_of, rows_of
from ..parquet_writer import TRAILING_KEY
from ..sidecar import Sidecar
from .reader import Format, Identity, Opening, RowFacts

AXES_ROWS = 16_384
BLOCK_BYTES = 8 * 1024 * 1024
MOST_SHAPES = 65_536
MOST_GAPS = 1000  # before each row, on average

pc = cast(Any, pyarrow.compute)  # its functions are made when it is imported: no stubs


class ParquetFrames:
    """FrameReader of one (node, band) of a parquet file; row groups are read a block of rows at a time.

    `seq` is the one in the file. Streams are not kept: those of the file are told apart, the first of them
    is the identity's own. Row groups that end before `from_ns` are skipped by their statistics.
    """

    def __init__(self, path: Path, sidecar: Sidecar) -> None:
        self._path = path
        shapes: Counter[tuple[float, float, int, int, str]] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        self._most_bins = BINS_RANGE[0]
        self._stream: int | None = None
        total_bins = 0
        with self._file() as file:
            self._check_columns(file)
            for batch in self._batches(file, range(file.num_row_groups), AXES_ROWS, list(AXES)):
                check_axes(batch)
                total_bins += int(pc.sum(batch.column("bins")).as_py())
                self._most_bins = max(self._most_bins, int(pc.max(batch.column("bins")).as_py()))
                for name, found in zip(("node", "band"), _names(batch), strict=True):
                    if None in found:
                        raise BadInput(f"{path}: {name}: missing in a row; limit: one a row")
                pairs.update(zip(*_names(batch), strict=True))
                if len(pairs) > MOST_SHAPES:
                    raise BadInput(f"{path}: more than {MOST_SHAPES} bands, the limit")
            self._check_lengths(file, total_bins)
            self._node, self._band = self._picked(pairs, sidecar)
            self._rows = file.metadata.num_rows
            starts, ends, count = [], [], 0
            for batch in self._batches(file, range(file.num_row_groups), AXES_ROWS, list(AXES)):
                mine = batch.filter(self._mask(batch))
                if not mine.num_rows:
                    continue
                count += mine.num_rows
                time_ns, duration_ns = axis(mine, "time_ns"), axis(mine, "duration_ns")
                starts.append(int(time_ns.min()))
                ends.append(int((time_ns + duration_ns).max()))
                starts, ends = [min(starts)], [max(ends)]
                if self._stream is None:
                    self._stream = mine.column("stream")[0].as_py()
                if len(shapes) < MOST_SHAPES:
                    columns = ("center_hz", "bin_hz", "bins", "duration_ns", "unit")
                    shapes.update(zip(*(mine.column(name).to_pylist() for name in columns), strict=True))
            self._trailing = self._trailing_gaps(file)
        center_hz, bin_hz, bins, step_ns, unit = shapes.most_common(1)[0][0]
        problems: list[str] = []
        axes = len({shape[:3] for shape in shapes})
        if axes > 1:
            problems.append(f"{axes} different axes: shown are those of most rows")
        self.facts = RowFacts(
            format="parquet",
            value_type="float32",
            rows=count,
            bins=bins,
            first_hz=center_hz - (bins - 1) / 2 * bin_hz,
            bin_hz=bin_hz,
            unit=cast(PowerUnit, unit),
            step_ns=step_ns,
            start_ns=starts[0],
            end_ns=ends[0],
            node=self._node,
            band=self._band,
            problems=tuple(problems),
        )

    def frames(self, identity: Identity, chunk_rows: int, from_ns: int | None) -> Iterator[PsdFrame | Gap]:
        rows = max(1, min(chunk_rows, BLOCK_BYTES // (4 * self._most_bins)))
        with self._file() as file:
            if file.metadata.num_rows != self._rows:
                raise BadInput(
                    f"{self._path}: {file.metadata.num_rows} rows, {self._rows} when it was opened"
                )
            self._check_columns(file)
            groups = range(self._first_group(file, from_ns), file.num_row_groups)
            for batch in self._batches(file, groups, rows, SCHEMA.names):
                mask = self._mask(batch)
                mine = batch if pc.all(mask).as_py() else batch.filter(mask)
                for row in self._rows_of(mine):
                    yield from (_renamed(each, identity) for each in row.gaps)
                    yield self._as_identity(row.frame, identity)
            yield from (_renamed(each, identity) for each in self._trailing)

    def _rows_of(self, batch: pa.RecordBatch) -> Iterator[Any]:
        try:
            yield from rows_of(batch)
        except BadInput as error:
            raise BadInput(f"{self._path}: {error}") from None

    def _as_identity(self, frame: PsdFrame, identity: Identity) -> PsdFrame:
        stream = identity.stream
        if frame.stream != self._stream:
            stream = zlib.crc32(f"{identity.stream}:{frame.stream}".encode())
        return PsdFrame(
            node=identity.node,
            band=identity.band,
            stream=stream,
            seq=frame.seq,
            time_ns=frame.time_ns,
            duration_ns=frame.duration_ns,
            center_hz=frame.center_hz,
            bin_hz=frame.bin_hz,
            power_db=frame.power_db,
            unit=frame.unit,
            gain_db=frame.gain_db,
            lost_samples=frame.lost_samples,
        )

    def _file(self) -> AbstractContextManager[pq.ParquetFile]:
        return open_parquet(self._path)

    def _check_columns(self, file: pq.ParquetFile) -> None:
        schema = file.schema_arrow
        missing = [name for name in SCHEMA.names if name not in schema.names]
        if missing:
            raise BadInput(f"{self._path}: no table of PSD rows: column {', '.join(missing)} is missing")
        version = (schema.metadata or {}).get(SCHEMA_KEY, SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            told = version.decode(errors="replace")[:20]
            raise BadInput(f"{self._path}: bandwatch.schema {told!r}; limit: {SCHEMA_VERSION.decode()}")
        for each in SCHEMA:
            found = schema.field(each.name).type
            if not _same_kind(found, each.type):
                told = " ".join(str(found).split())[:60]
                raise BadInput(f"{self._path}: {each.name} is {told}; limit: {each.type}")
        if not file.metadata.num_rows:
            raise BadInput(f"{self._path}: 0 rows; limit: at least 1")

    def _check_lengths(self, file: pq.ParquetFile, total_bins: int) -> None:
        """Before a list is read: equal values compress to almost nothing, a small file may hold billions."""
        values = gaps = 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            for column in (group.column(place) for place in range(group.num_columns)):
                if column.path_in_schema.startswith("power_db."):
                    values += column.num_values
                elif column.path_in_schema.startswith("gaps."):
                    gaps = max(gaps, column.num_values // max(1, group.num_rows))
        if values != total_bins:
            raise BadInput(f"{self._path}: power_db: {values} values; limit: {total_bins}, the sum of bins")
        if gaps > MOST_GAPS:
            raise BadInput(f"{self._path}: gaps: {gaps} for each row; limit: {MOST_GAPS}")

    def _batches(
        self, file: pq.ParquetFile, groups: range, rows: int, columns: list[str]
    ) -> Iterator[pa.RecordBatch]:
        for batch in file.iter_batches(rows, list(groups), columns, use_threads=False):
            if batch.num_rows:
                found = [batch.column(name) for name in columns]
                words = [
                    each.dictionary_encode() if pa.types.is_string(each.type) else each for each in found
                ]
                yield pa.RecordBatch.from_arrays(words, columns)

    def _picked(self, pairs: Counter[tuple[str, str]], sidecar: Sidecar) -> tuple[str, str]:
        if len(pairs) == 1:
            return next(iter(pairs))
        found = [
            (node, band)
            for node, band in pairs
            if sidecar.band in (None, band) and (sidecar.node in (None, node) or sidecar.band is None)
        ]
        if len(found) != 1 or sidecar.band is None:
            # As written: a file may hold names with line ends.
            listed = ", ".join(repr(f"{node}/{band}")[1:-1][:80] for node, band in sorted(pairs)[:10])
            raise BadInput(
                f"{self._path}: {len(pairs)} bands: {listed};"
                f" write in {sidecar.path} which: band: NAME (and node)"
            )
        return found[0]

    def _mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        node = pc.equal(batch.column("node").dictionary_decode(), self._node)
        return pc.and_(node, pc.equal(batch.column("band").dictionary_decode(), self._band))

    def _first_group(self, file: pq.ParquetFile, from_ns: int | None) -> int:
        """The first row group that may hold a row from `from_ns` on."""
        if from_ns is None:
            return 0
        column = file.schema_arrow.names.index("time_ns")
        for number in range(file.num_row_groups):
            statistics = file.metadata.row_group(number).column(column).statistics
            if statistics is None or not statistics.has_min_max:
                return number
            if statistics.max_raw >= from_ns:
                return number
        return file.num_row_groups

    def _trailing_gaps(self, file: pq.ParquetFile) -> list[Gap]:
        raw = (file.metadata.metadata or {}).get(TRAILING_KEY)
        if raw is None:
            return []
        try:
            records = json.loads(raw)
        except (RecursionError, ValueError):
            records = None
        if not isinstance(records, list):
            raise BadInput(f"{self._path}: {TRAILING_KEY.decode()}: not a list of gaps")
        mine = [
            each for each in records if isinstance(each, dict) and _owner(each) == (self._node, self._band)
        ]
        return [gap_of(each, self._node, self._band) for each in mine]


def _names(batch: pa.RecordBatch) -> tuple[list[str], list[str]]:
    return batch.column("node").to_pylist(), batch.column("band").to_pylist()


def _owner(record: dict[str, Any]) -> tuple[Any, Any]:
    return record.get("node"), record.get("band")


def _same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal but for nullability and names of elements; words need not be in a dictionary."""
    if pa.types.is_dictionary(wanted):
        return found.equals(wanted) or pa.types.is_string(found)
    if pa.types.is_list(wanted) and pa.types.is_list(found):
        return _same_kind(found.value_type, wanted.value_type)
    if pa.types.is_struct(wanted) and pa.types.is_struct(found):
        pairs = zip(found, wanted, strict=False)
        same = all(each.name == other.name and _same_kind(each.type, other.type) for each, other in pairs)
        return same and found.num_fields == wanted.num_fields
    return found.equals(wanted)


def _renamed(gap: Gap, identity: Identity) -> Gap:
    return Gap(
        node=identity.node,
        band=identity.band,
        after_seq=gap.after_seq,
        lost_rows=gap.lost_rows,
        lost_samples=gap.lost_samples,
        reason=gap.reason,
        time_ns=gap.time_ns,
    )


def _open(path: Path, sidecar: Sidecar, opening: Opening) -> ParquetFrames:
    del opening  # nothing of it concerns rows
    return ParquetFrames(path, sidecar)


FORMAT = Format("parquet", (".parquet",), open=_open, keys=("format", "node", "band"))
