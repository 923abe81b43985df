"""Files become sources: open one, or play several in order, once or for ever."""

from __future__ import annotations

import heapq
import itertools
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from .errors import BadInput
from .formats import format_of, known_suffixes
from .frames import Gap, PsdFrame
from .limits import LATEST_DAY, LATEST_NS, LONGEST_NAME, MOST_CENTER_HZ, as_name
from .psd_shape import PsdShape
from .readers.iq_reader import IqReader
from .readers.reader import FrameReader, Identity, Opening, RowFacts
from .recording import Recording, naming
from .sidecar import Sidecar, check_keys, checked_name, read_sidecar

DEFAULT_NODE = "recording"
_NO_ROWS = "no recording has rows between --from and --to; limit: at least 1 row"


def open_recording(
    path: str | Path,
    *,
    node: str | None = None,
    band: str | None = None,
    time_zone: ZoneInfo | None = None,
    spectrum: PsdShape | None = None,
    channel: int = 0,
) -> Recording:
    """A recording ready to be iterated; `node` and `band` go before the sidecar's.

    `time_zone` is that of local times, where neither the file nor its sidecar says it; `spectrum` makes
    rows of IQ samples, by default one that suits their number; `channel` counts from 0 where there are
    several, which are a band each, NAME-ch0 and so on.

    Opening reads headers and the sidecar (text is passed over once); what cannot be read raises
    `BadInput` in one line.
    """
    path = Path(path)
    _refuse_what_is_no_file(path)
    sidecar = read_sidecar(path)
    opening = Opening(time_zone, spectrum, channel)
    try:
        format_ = format_of(path, sidecar)
        check_keys(path, sidecar, format_.name, format_.keys, format_.required)
        reader = format_.open(path, sidecar, opening)
        identity = Identity(
            node=checked_name(str(path), "node", node) if node else _node(sidecar, reader.facts),
            band=checked_name(str(path), "band", band) if band else _band(path, sidecar, reader, channel),
            stream=_stream(path, sidecar),
        )
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except BadInput as refusal:
        raise naming(path, refusal) from None
    recording = Recording(path, reader, identity)
    if channel and recording.iq is None:
        raise BadInput(f"{path}: channel {channel}; limit: 0, rows of power have no others")
    _refuse_axes_out_of_range(recording)
    return recording


def open_channels(
    path: str | Path, *, time_zone: ZoneInfo | None = None, spectrum: PsdShape | None = None
) -> list[Recording]:
    """Every channel of a recording, each a band of its own; see `open_recording`."""
    first = open_recording(path, time_zone=time_zone, spectrum=spectrum)
    channels = 1 if first.iq is None else first.iq.facts.channels
    others = range(1, channels)
    return [
        first,
        *(open_recording(path, time_zone=time_zone, spectrum=spectrum, channel=each) for each in others),
    ]


def replay_sources(
    sources: Sequence[str | Path | Recording],
    *,
    loop: bool = False,
    chunk_rows: int | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> Iterator[PsdFrame | Gap]:
    """The rows of several recordings: a band's files one after the other, several bands at once by time.

    Paths are opened before the first row comes, so that a bad file is refused at once. Of two bands the
    row that begins earlier goes first; a band's own files keep the order given. `from_ns` and `to_ns` cut
    each file (see `Recording.frames`). With `loop` it goes on without end: each lap moves a band's times
    on by the span of all its recordings, so that its time never runs backwards from one lap to the next,
    and every file gets a new stream id each time it is played. Within a lap the times are the files' own:
    where a band's next file begins no later than the last row of the one before, a `Gap` of reason
    `clock` stands between them. A file without one finite row raises `BadInput` at its end.
    """
    opened = [each if isinstance(each, Recording) else open_channels(each) for each in sources]
    recordings = [each for some in opened for each in (some if isinstance(some, list) else [some])]
    if not recordings:
        raise BadInput("no recording given; limit: at least 1 file")
    inside = [each for each in recordings if _overlaps(each, from_ns, to_ns)]
    if not inside:
        raise BadInput(_NO_ROWS)
    return _Laps(inside, chunk_rows, from_ns, to_ns).play(loop)


class _Laps:
    """Recordings played again and again; what was played decides stream ids and the gaps between files."""

    def __init__(
        self, recordings: list[Recording], chunk_rows: int | None, from_ns: int | None, to_ns: int | None
    ) -> None:
        self._chunk_rows = chunk_rows
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._played: Counter[int] = Counter()
        self._last_of: dict[tuple[str, str], PsdFrame] = {}
        self._bands: dict[tuple[str, str], list[Recording]] = {}
        for each in recordings:
            self._bands.setdefault((each.node, each.band), []).append(each)

    def play(self, loop: bool) -> Iterator[PsdFrame | Gap]:
        for lap in itertools.count() if loop else range(1):
            bands = [self._band(recordings, lap) for recordings in self._bands.values()]
            # Of equal times the band given first goes first, so that a replay is always the same.
            items = heapq.merge(*bands, key=lambda item: item.time_ns) if len(bands) > 1 else bands[0]
            rows = 0
            for item in items:
                rows += isinstance(item, PsdFrame)
                yield item
            if not rows:  # the cut lies in a hole: a loop would go on for ever without a row
                raise BadInput(_NO_ROWS)

    def _band(self, recordings: list[Recording], lap: int) -> Iterator[PsdFrame | Gap]:
        later_ns = lap * self._span_ns(recordings)
        for recording in recordings:
            key = (recording.node, recording.band)
            stream = _stream_of_turn(recording.stream, self._played[recording.stream])
            self._played[recording.stream] += 1
            if recording.end_ns + later_ns > LATEST_NS:
                raise BadInput(f"{recording.path}: its lap {lap + 1} ends after {LATEST_DAY}, the limit")
            first = True
            for item in recording.frames(
                self._chunk_rows, stream=stream, later_ns=later_ns, from_ns=self._from_ns, to_ns=self._to_ns
            ):
                if isinstance(item, PsdFrame):
                    last = self._last_of.get(key)
                    if first and last is not None and item.time_ns <= last.time_ns:
                        yield _clock_gap(last)
                    self._last_of[key] = item
                    first = False
                yield item
            if not first:
                recording.require_finite_rows()

    def _span_ns(self, recordings: list[Recording]) -> int:
        start_ns = min(each.start_ns for each in recordings)
        end_ns = max(each.end_ns for each in recordings)
        if self._from_ns is not None:
            start_ns = max(start_ns, self._from_ns)
        # The row that is playing at `to_ns` plays to its end.
        if self._to_ns is not None:
            end_ns = min(end_ns, self._to_ns + max(each.step_ns for each in recordings))
        return end_ns - start_ns


def _overlaps(recording: Recording, from_ns: int | None, to_ns: int | None) -> bool:
    """Whether rows of the recording may begin within the cut."""
    return (from_ns is None or recording.end_ns > from_ns) and (to_ns is None or recording.start_ns < to_ns)


def _refuse_what_is_no_file(path: Path) -> None:
    known = ", ".join(known_suffixes())
    if path.suffix.lower() in (".yaml", ".yml") and path.with_suffix("").is_file():
        raise BadInput(f"{path}: is a sidecar; limit: the recording itself, {path.with_suffix('')}")
    try:
        if path.is_dir():
            raise BadInput(f"{path}: is a directory; limit: a file ({known})")
        size = path.stat().st_size
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if not path.is_file():
        raise BadInput(f"{path}: is a pipe, socket or device; limit: a file")
    if size == 0:
        raise BadInput(f"{path}: empty, 0 bytes; limit: at least 1 row")


def _node(sidecar: Sidecar, facts: RowFacts) -> str:
    return sidecar.node or (as_name(facts.node) if facts.node else "") or DEFAULT_NODE


def _band(path: Path, sidecar: Sidecar, reader: FrameReader, channel: int) -> str:
    """The sidecar's word, the file's, or its name without suffixes; the channel where it has several."""
    facts = reader.facts
    stem = Path(path.stem).stem if path.suffix.lower() == ".zst" else path.stem
    name = sidecar.band or (as_name(facts.band) if facts.band else "") or as_name(stem)
    iq: IqReader | None = getattr(reader, "iq", None)
    if iq is None or iq.facts.channels == 1:
        return name
    ending = f"-ch{channel}"
    return name[: LONGEST_NAME - len(ending)] + ending


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
    return zlib.crc32(identity + (sidecar.path.read_bytes() if sidecar.given else b""))


def _stream_of_turn(stream: int, turn: int) -> int:
    return stream if turn == 0 else zlib.crc32(f"{stream}:{turn}".encode())


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
