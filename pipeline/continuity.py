"""Every jump of a band made a Gap: the one place where loss is counted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .frames import Gap, GapReason, PsdFrame
from .state import State
from .succession import RowPlace
from .wire import Heartbeat

IGNORED_REASONS = ("duplicate", "out_of_order", "replaced")


class Continuity:
    """Stage PsdFrame | Heartbeat -> PsdFrame | Gap of one band: rows that follow one another, or a gap.

    What becomes of a row, by the first that applies:

    1. another stream id: `restart`, `lost_rows` None, then the row. A heartbeat of the new stream does the
       same before its first row. A stream that had `ended` begins anew with row 0 or with a heartbeat
       that has not ended. What is still under way of a stream that another replaced is ignored (`replaced`).
    2. seq not after the last one accounted for: ignored (`duplicate` if equal, else `out_of_order`).
    3. center_hz, bin_hz, bins or unit changed: `retuned`.
    4. gain_db changed: `gain`.
    5. seq jumped: `lost`, `lost_rows` exact.
    6. lost_samples > 0: `overflow`, `lost_rows` 0.
    7. no row is missing, yet it starts before the row before it, or later than that by more than both
       2.5 durations and 1 s: `clock`, `lost_rows` 0.

    At most one gap stands before a row: where causes coincide it has the reason highest in the list, as
    later stages start anew on a change of meaning and only break off for a loss, and the counts of all.
    Apart from that:

    - NaN or infinity in a row: `source`, `lost_rows` 1, in the row's place.
    - A heartbeat that announces rows that never came: `lost`. Should they come after all they are ignored.
    - A gap that is given is passed on. One of a full queue (`overflow`) explains as many missing rows,
      until the next row or heartbeat, as it says were lost; any number if it says None. The gaps of a
      source (a hole in a recording, a lost radio) explain none: a source numbers the rows that it has.
    - Loss is counted from the first row heard. Heartbeats before it only say where counting begins.

    So, from the first row heard of a stream to the last announced: rows sent = rows passed on + lost_rows
    of all gaps, as long as no restart hides the number.

    `ignored` counts rows by reason, and `on_ignored(reason)` hears of each; `bad_rows` counts those not
    finite, and `on_bad_row(message)` is called at the first of each run of them.
    """

    def __init__(
        self,
        on_bad_row: Callable[[str], None] | None = None,
        on_ignored: Callable[[str], None] | None = None,
    ) -> None:
        self._on_bad_row = on_bad_row
        self._on_ignored = on_ignored
        self.reset()

    def reset(self) -> None:
        self.ignored: dict[str, int] = dict.fromkeys(IGNORED_REASONS, 0)
        self.bad_rows = 0
        self._stream: int | None = None
        self._replaced_stream: int | None = None
        self._ended = False
        self._last_seq = -1
        self._excused_rows: float = 0
        self._previous: RowPlace | None = None  # the last row of this stream, good or bad
        self._unbroken = False  # nothing stood between that row and now
        self._dated_ns: int | None = None  # the end of the last good row, once there is anything to date by
        self._in_bad_run = False

    @property
    def place(self) -> tuple[int | None, int, bool, int | None, float, bool, int | None]:
        """Stream, last seq accounted for, whether it ended, and whatever else heartbeats and gaps move.

        Who keeps all rows passed on, and the state wherever this changed without one, can `resume`.
        """
        return (
            self._stream,
            self._last_seq,
            self._ended,
            self._replaced_stream,
            self._excused_rows,
            self._unbroken,
            self._dated_ns,
        )

    def resume(self, frame: PsdFrame) -> None:
        """Be as if `push` had just passed this row on."""
        if self._is_new(frame.stream, anew=frame.seq == 0):
            self._turn_to(frame.stream)
        self._dated_ns = frame.end_ns
        self._in_bad_run = False
        self._follow(frame)

    def state(self) -> State:
        """Plain values, no arrays: JSON would do."""
        return {
            "stream": self._stream,
            "replaced_stream": self._replaced_stream,
            "ended": self._ended,
            "last_seq": self._last_seq,
            # None is any number: infinity is not in JSON.
            "excused_rows": None if math.isinf(self._excused_rows) else self._excused_rows,
            "previous": None if self._previous is None else list(self._previous),
            "unbroken": self._unbroken,
            "dated_ns": self._dated_ns,
            "in_bad_run": self._in_bad_run,
            "ignored": dict(self.ignored),
            "bad_rows": self.bad_rows,
        }

    def restore(self, state: State) -> None:
        self._stream = state["stream"]
        self._replaced_stream = state["replaced_stream"]
        self._ended = state["ended"]
        self._last_seq = state["last_seq"]
        self._excused_rows = math.inf if state["excused_rows"] is None else state["excused_rows"]
        self._previous = None if state["previous"] is None else RowPlace(*state["previous"])
        self._unbroken = state["unbroken"]
        self._dated_ns = state["dated_ns"]
        self._in_bad_run = state["in_bad_run"]
        self.ignored = dict(state["ignored"])
        self.bad_rows = state["bad_rows"]

    def gap(self, gap: Gap) -> list[PsdFrame | Gap]:
        if gap.reason == "overflow":
            self._excused_rows += math.inf if gap.lost_rows is None else gap.lost_rows
        self._unbroken = False
        if self._dated_ns is None:
            self._dated_ns = gap.time_ns
        return [gap]

    def push(self, item: PsdFrame | Heartbeat) -> list[PsdFrame | Gap]:
        if isinstance(item, Heartbeat):
            return self._hear(item) if item.carries == "psd" else []
        outputs: list[PsdFrame | Gap] = []
        if self._is_left_over(item.stream, anew=item.seq == 0):
            self._ignore("replaced")
            return outputs
        if self._is_new(item.stream, anew=item.seq == 0):
            outputs += self._restart(item.node, item.band, item.stream, item)
        elif item.seq <= self._last_seq:
            self._ignore("duplicate" if item.seq == self._last_seq else "out_of_order")
            return outputs
        else:
            outputs += self._break_before(item)
        outputs.append(self._passed(item))
        self._follow(item)
        return outputs

    def _follow(self, row: PsdFrame) -> None:
        self._last_seq = row.seq
        self._excused_rows = 0
        self._ended = False
        self._previous = RowPlace.of(row)
        self._unbroken = True

    def _ignore(self, reason: str) -> None:
        self.ignored[reason] += 1
        if self._on_ignored is not None:
            self._on_ignored(reason)

    def _hear(self, heartbeat: Heartbeat) -> list[PsdFrame | Gap]:
        excused_rows, self._excused_rows = self._excused_rows, 0
        if self._is_left_over(heartbeat.stream, anew=False):
            if heartbeat.ended:
                self._replaced_stream = None
            return []
        outputs: list[PsdFrame | Gap] = []
        if self._is_new(heartbeat.stream, anew=not heartbeat.ended):
            outputs += self._restart(heartbeat.node, heartbeat.band, heartbeat.stream, None)
            self._last_seq = heartbeat.last_seq
        elif heartbeat.last_seq > self._last_seq:
            lost_rows = _unexplained(heartbeat.last_seq - self._last_seq, excused_rows)
            if lost_rows and self._dated_ns is not None:
                outputs.append(self._gap_here(heartbeat.node, heartbeat.band, lost_rows, None, "lost"))
            self._last_seq = heartbeat.last_seq
            self._unbroken = False
        self._ended = heartbeat.ended
        return outputs

    def _is_left_over(self, stream: int, *, anew: bool) -> bool:
        # Two connections are read in turn: a dead publisher's last rows may come among its successor's first.
        return stream == self._replaced_stream and stream != self._stream and not anew

    def _is_new(self, stream: int, *, anew: bool) -> bool:
        return stream != self._stream or (self._ended and anew)

    def _restart(self, node: str, band: str, stream: int, row: PsdFrame | None) -> list[Gap]:
        """Turn to another stream, with a gap unless nothing was heard before."""
        gaps: list[Gap] = []
        lost_samples = row.lost_samples if row is not None and row.lost_samples else None
        if self._stream is not None and self._dated_ns is not None:
            gaps.append(self._gap_here(node, band, None, lost_samples, "restart"))
        elif row is not None and lost_samples:
            self._last_seq = row.seq - 1
            gaps.append(self._gap_here(node, band, 0, lost_samples, "overflow", row.time_ns))
        self._turn_to(stream)
        return gaps

    def _turn_to(self, stream: int) -> None:
        self._replaced_stream = None if self._ended else self._stream
        self._stream = stream
        self._previous = None
        self._unbroken = False
        self._ended = False

    def _break_before(self, row: PsdFrame) -> list[Gap]:
        """The gap between the row before and this one of the same stream, if there is any."""
        missing_rows = row.seq - self._last_seq - 1
        lost_rows = _unexplained(missing_rows, self._excused_rows)
        previous = self._previous
        reason: GapReason
        if previous is not None and previous.is_retuned(row):
            reason = "retuned"
        elif previous is not None and previous.gain_db != row.gain_db:
            reason = "gain"
        elif lost_rows:
            reason = "lost"
        elif row.lost_samples:
            reason = "overflow"
        elif previous is not None and self._unbroken and not missing_rows and previous.clock_jumped(row):
            reason = "clock"
        else:
            return []
        lost_samples = row.lost_samples or (None if lost_rows else 0)
        return [self._gap_here(row.node, row.band, lost_rows, lost_samples, reason, row.time_ns)]

    def _passed(self, row: PsdFrame) -> PsdFrame | Gap:
        """The row, or a gap in its place if it is not finite."""
        finite = np.isfinite(row.power_db)
        if finite.all():
            self._in_bad_run = False
            self._dated_ns = row.end_ns
            return row
        self.bad_rows += 1
        if not self._in_bad_run and self._on_bad_row is not None:
            start = np.datetime64(row.time_ns, "ns").astype("M8[ms]")
            bad_bins = row.bins - np.count_nonzero(finite)
            self._on_bad_row(
                f"{row.node}/{row.band} row {row.seq} at {start}Z: NaN or infinite in {bad_bins} of "
                f"{row.bins} bins; the row is treated as a gap"
            )
        self._in_bad_run = True
        self._last_seq = row.seq - 1
        if self._dated_ns is None:
            self._dated_ns = row.time_ns
        return self._gap_here(row.node, row.band, 1, None, "source")

    def _gap_here(
        self,
        node: str,
        band: str,
        lost_rows: int | None,
        lost_samples: int | None,
        reason: GapReason,
        next_ns: int = 0,
    ) -> Gap:
        time_ns = next_ns if self._dated_ns is None else self._dated_ns
        return Gap(node, band, self._last_seq, lost_rows, lost_samples, reason, time_ns)


def _unexplained(missing_rows: int, excused_rows: float) -> int:
    return int(max(0, missing_rows - excused_rows))
