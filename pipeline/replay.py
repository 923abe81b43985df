"""Files become sources: open one, or play several in order, once or for ever."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .errors import BadInput
from .frames import Gap, PsdFrame
from .limits import LATEST_DAY, LATEST_NS, MOST_CENTER_HZ, as_name
from .readers.hdf5 import Hdf5Matrix
from .readers.headerless_csv import CsvMatrix
from .readers.matrix import Matrix
from .readers.npy import NpyMatrix
from .readers.npz import NpzMatrix
from .recording import Recording
from .row_times import RowTimes, stamped_times
from .sidecar import Sidecar, checked_name, read_sidecar

DEFAULT_NODE = "recording"

_READERS: dict[str, Callable[[Path, Sidecar], Matrix]] = {
    ".npy": lambda path, _: NpyMatrix(path),
    ".npz": lambda path, sidecar: NpzMatrix(path, sidecar.array, sidecar.time_unix),
    ".h5": lambda path, sidecar: Hdf5Matrix(path, sidecar.dataset, sidecar.time_unix),
    ".hdf5": lambda path, sidecar: Hdf5Matrix(path, sidecar.dataset, sidecar.time_unix),
    ".csv": lambda path, _: CsvMatrix(path),
}
_KEYS_OF_SOME = {"array": (".npz",), "dataset": (".h5", ".hdf5")}


def open_recording(path: str | Path, *, node: str | None = None, band: str | None = None) -> Recording:
    """A recording ready to be iterated; `node` and `band` go before the sidecar's.

    Opening reads headers, row times and the sidecar (a csv is passed over once); what cannot be read
    raises `BadInput` in one line.
    """
    path = Path(path)
    read = _reader_of(path)
    sidecar = read_sidecar(path)
    _refuse_keys_of_others(path, sidecar)
    try:
        matrix = read(path, sidecar)
        times = _times(path, matrix, sidecar)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    recording = Recording(
        path,
        matrix,
        sidecar,
        times,
        node=checked_name(str(path), "node", node) if node else sidecar.node or DEFAULT_NODE,
        band=checked_name(str(path), "band", band) if band else sidecar.band or as_name(path.stem),
        stream=_stream(path, sidecar),
    )
    _refuse_axes_out_of_range(recording)
    return recording


def replay_sources(
    sources: Sequence[str | Path | Recording], *, loop: bool = False, chunk_rows: int | None = None
) -> Iterator[PsdFrame | Gap]:
    """The rows of several recordings, one after the other in the order given; with `loop` without end.

    Paths are opened before the first row comes, so that a bad file is refused at once. Each lap moves a
    band's times on by the span of all its recordings, so that its time never runs backwards from one lap
    to the next, and every file gets a new stream id each time it is played. Within a lap the times are
    the files' own: where a band's next file begins no later than the last row of the one before, a `Gap`
    of reason `clock` stands between them. A file without one finite row raises `BadInput` at its end.
    """
    recordings = [each if isinstance(each, Recording) else open_recording(each) for each in sources]
    if not recordings:
        raise BadInput("no recording given; limit: at least 1 file")
    return _laps(recordings, loop, chunk_rows)


def _laps(recordings: list[Recording], loop: bool, chunk_rows: int | None) -> Iterator[PsdFrame | Gap]:
    spans_ns = _spans_ns(recordings)
    played: Counter[int] = Counter()
    last_of: dict[tuple[str, str], PsdFrame] = {}
    for lap in itertools.count() if loop else range(1):
        for recording in recordings:
            key = (recording.node, recording.band)
            stream = _stream_of_turn(recording.stream, played[recording.stream])
            played[recording.stream] += 1
            if recording.end_ns + lap * spans_ns[key] > LATEST_NS:
                raise BadInput(f"{recording.path}: its lap {lap + 1} ends after {LATEST_DAY}, the limit")
            for item in recording.frames(chunk_rows, stream=stream, later_ns=lap * spans_ns[key]):
                if isinstance(item, PsdFrame):
                    last = last_of.get(key)
                    if item.seq == 0 and last is not None and item.time_ns <= last.time_ns:
                        yield _clock_gap(last)
                    last_of[key] = item
                yield item
            recording.require_finite_rows()


def _reader_of(path: Path) -> Callable[[Path, Sidecar], Matrix]:
    known = ", ".join(_READERS)
    if path.suffix.lower() in (".yaml", ".yml") and path.with_suffix("").suffix.lower() in _READERS:
        raise BadInput(f"{path}: is a sidecar; limit: the recording itself, {path.with_suffix('')}")
    try:
        if path.is_dir():
            raise BadInput(f"{path}: is a directory; limit: a file ({known})")
        size = path.stat().st_size
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if path.suffix.lower() not in _READERS:
        raise BadInput(f"{path}: unknown kind of recording '{path.suffix}'; limit: {known}")
    if not path.is_file():
        raise BadInput(f"{path}: is a pipe, socket or device; limit: a file")
    if size == 0:
        raise BadInput(f"{path}: empty, 0 bytes; limit: at least 1 row")
    return _READERS[path.suffix.lower()]


def _refuse_keys_of_others(path: Path, sidecar: Sidecar) -> None:
    given = {"array": sidecar.array, "dataset": sidecar.dataset}
    for key, suffixes in _KEYS_OF_SOME.items():
        if given[key] is not None and path.suffix.lower() not in suffixes:
            raise BadInput(f"{sidecar.path}: {key}: '{given[key]}'; limit: {', '.join(suffixes)} files only")


def _times(path: Path, matrix: Matrix, sidecar: Sidecar) -> RowTimes:
    if sidecar.time_unix is not None:
        seconds = matrix.row_times(sidecar.time_unix)
        return stamped_times(
            f"{path}: time_unix '{sidecar.time_unix}'", seconds, matrix.rows, sidecar.step_ns
        )
    assert sidecar.start_ns is not None
    assert sidecar.step_ns is not None
    return RowTimes(sidecar.start_ns, sidecar.step_ns, matrix.rows)


def _refuse_axes_out_of_range(recording: Recording) -> None:
    """The sidecar's numbers keep to their limits one by one; with so many rows and columns they may not."""
    path, center_hz = recording.path, recording.center_hz
    if not abs(center_hz) <= MOST_CENTER_HZ:
        raise BadInput(
            f"{path}: the middle of its {recording.bins} columns lies at {center_hz:g} Hz;"
            f" limit: -{MOST_CENTER_HZ:g} to {MOST_CENTER_HZ:g} Hz"
        )
    if recording.end_ns > LATEST_NS:
        raise BadInput(f"{path}: its {recording.rows} rows end after {LATEST_DAY}, the limit")


def _stream(path: Path, sidecar: Sidecar) -> int:
    """The same for the same file wherever it lies; the sidecar tells days of equal name and size apart."""
    identity = f"{path.name}:{path.stat().st_size}:".encode()
    return zlib.crc32(identity + sidecar.path.read_bytes())


def _stream_of_turn(stream: int, turn: int) -> int:
    return stream if turn == 0 else zlib.crc32(f"{stream}:{turn}".encode())


def _spans_ns(recordings: Sequence[Recording]) -> dict[tuple[str, str], int]:
    ends: dict[tuple[str, str], tuple[int, int]] = {}
    for each in recordings:
        start_ns, end_ns = ends.get((each.node, each.band), (each.start_ns, each.end_ns))
        ends[each.node, each.band] = min(start_ns, each.start_ns), max(end_ns, each.end_ns)
    return {key: end_ns - start_ns for key, (start_ns, end_ns) in ends.items()}


def _clock_gap(last: PsdFrame) -> Gap:
    return Gap(
        node=last.node,
        band=last.band,
        after_seq=last.seq,
        lost_rows=None,
        lost_samples=None,
        reason="clock",
        time_ns=last.end_ns,
    )
