"""The books of a soak: rows recorded + rows reported lost = rows published, in each stream, number by number.

Counting begins with the first thing heard of a stream: a row, or the heartbeat that says where it stands.
Where it ends depends on who lived:

- both live: with the last row sent; a heartbeat a second announces it where the row itself was lost.
- the agent was killed, the publisher lives: as above. What the dead agent had heard and not yet recorded is
  reported lost by its successor, together with what came while nobody listened.
- the publisher was killed, the agent lives: with the last row or heartbeat that arrived. What was sent after
  it is `unheard`: nobody alive knows of it, and a `restart` without a number stands for it.
- both were killed: with the last row or heartbeat that the agent had recorded; what it heard after that is
  `unheard`, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bandwatch.benchmarks.soak_truth import Stream, Truth
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Note

SAME = ("node", "band", "time_ns", "duration_ns", "center_hz", "bin_hz", "unit", "gain_db", "lost_samples")


@dataclass(slots=True)
class Account:
    """Of one stream: counting began with number `first`; `known` is the last row or announcement.

    `rows` were recorded, `lost_rows` reported lost; `unrecorded` were heard while nothing could be written,
    and how many they were is in the store.
    """

    stream: Stream
    first: int
    last_row: int
    known: int
    rows: int = 0
    lost_rows: int = 0
    unrecorded: int = 0

    @property
    def published(self) -> int:
        """From the first heard to the last announced."""
        return self.known - self.first + 1


@dataclass(slots=True)
class _Pending:
    """What is told of a band after its last row."""

    gaps: list[Gap] = field(default_factory=list)
    unrecorded: int = 0
    lost_meanwhile: int = 0

    @property
    def lost_rows(self) -> int:
        return self.lost_meanwhile + sum(gap.lost_rows or 0 for gap in self.gaps)


class Books:
    """Takes what a store holds, in its order; `faults` are everything that does not add up, in words.

    `entry` is the last one taken and `reasons` are those of all gaps; `rows`, `lost` and `gaps` count by band
    (and reason) since `mark`.
    """

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._open: dict[str, Account] = {}
        self._pending: dict[str, _Pending] = {}
        self.accounts: list[Account] = []
        self.faults: list[str] = []
        self.reasons: Counter[str] = Counter()
        self.entry = -1
        self.mark()

    def mark(self) -> None:
        """Count rows and losses anew."""
        self.rows: Counter[str] = Counter()
        self.lost: Counter[tuple[str, str]] = Counter()
        self.gaps: Counter[tuple[str, str]] = Counter()

    def take(self, entries: Iterable[tuple[int, PsdFrame | Gap | Note]]) -> Books:
        """The next entries, or all from the first again: those taken before are passed over."""
        before = self.entry
        for entry, item in entries:
            if entry <= before:
                continue
            if entry <= self.entry:
                self._fault(entry, item.band, f"comes after entry {self.entry}")
            self.entry = entry
            pending = self._pending.setdefault(item.band, _Pending())
            if isinstance(item, PsdFrame):
                self.rows[item.band] += 1
                self._row(entry, item, pending)
                self._pending[item.band] = _Pending()
            elif isinstance(item, Gap):
                self.reasons[item.reason] += 1
                self.gaps[item.band, item.reason] += 1
                self.lost[item.band, item.reason] += item.lost_rows or 0
                self._gap(entry, item, pending)
            elif item.kind == "unrecorded":
                pending.unrecorded += int(item.facts["rows"])
                pending.lost_meanwhile += int(item.facts["lost_rows"])
        return self

    def known(self, band: str) -> tuple[int, int] | None:
        """Stream and number of the last row of a band that is recorded or reported lost."""
        account = self._open.get(band)
        if account is None:
            return None
        pending = self._pending.get(band, _Pending())
        return account.stream.stream, account.known + pending.lost_rows + pending.unrecorded

    def close(self) -> Books:
        """Count what was told after each band's last row, and what is recorded against what was published."""
        for band, account in self._open.items():
            self._settle(account, self._pending.pop(band, _Pending()))
        self._open.clear()
        for account in self.accounts:
            told = account.rows + account.lost_rows + account.unrecorded
            if told != account.published:
                words = f"stream {account.stream.stream}: {account.published} published, {told} in the books"
                self._fault(self.entry, account.stream.band, words)
            if account.known > self._truth.last_seq(account.stream.stream):
                words = f"stream {account.stream.stream}: row {account.known} was never sent"
                self._fault(self.entry, account.stream.band, words)
        return self

    def unheard(self, account: Account) -> int:
        """Rows of a stream that were sent after the last one known."""
        return self._truth.last_seq(account.stream.stream) - account.known

    # ---- behind them --------------------------------------------------------------------------------

    def _gap(self, entry: int, gap: Gap, pending: _Pending) -> None:
        account = self._open.get(gap.band)
        if gap.reason == "restart":
            if account is not None:
                self._settle(account, pending)
                if gap.after_seq != account.known:
                    words = f"restart after row {gap.after_seq}, the last known is {account.known}"
                    self._fault(entry, gap.band, words)
                del self._open[gap.band]
            self._pending[gap.band] = _Pending()
            return
        pending.gaps.append(gap)
        # Where the number is not checked, unrecorded gaps may stand between.
        if account is not None and not pending.unrecorded:
            last = account.last_row + pending.lost_rows - (gap.lost_rows or 0)
            if not account.last_row <= gap.after_seq <= max(last, account.last_row):
                words = f"gap after row {gap.after_seq}, between {account.last_row} and {last} expected"
                self._fault(entry, gap.band, words)

    def _settle(self, account: Account, pending: _Pending) -> None:
        account.lost_rows += pending.lost_rows
        account.unrecorded += pending.unrecorded
        account.known += pending.lost_rows + pending.unrecorded

    def _row(self, entry: int, row: PsdFrame, pending: _Pending) -> None:
        account = self._open.get(row.band)
        if account is None or account.stream.stream != row.stream:
            account = self._begin(entry, row, pending, account)
            if account is None:
                return
        elif row.seq <= account.last_row:
            self._fault(
                entry, row.band, f"row {row.seq} after row {account.last_row}: twice, or out of order"
            )
            return
        self._settle(account, pending)
        if row.seq != account.known + 1:
            told = f"{pending.lost_rows} were reported lost and {pending.unrecorded} unrecorded"
            missing = row.seq - account.last_row - 1
            words = f"{missing} rows are missing between {account.last_row} and {row.seq}; {told}"
            self._fault(entry, row.band, words)
        account.last_row = account.known = row.seq
        account.rows += 1
        self._compare(entry, account.stream, row)

    def _begin(self, entry: int, row: PsdFrame, pending: _Pending, before: Account | None) -> Account | None:
        """The account of the stream whose first row this is."""
        if before is not None:
            self._fault(entry, row.band, f"another stream at row {row.seq}, and no gap said so")
        stream = next((each for each in self._truth.streams() if each.stream == row.stream), None)
        if stream is None:
            self._fault(entry, row.band, f"stream {row.stream} was never published")
            return None
        if any(each.stream.stream == row.stream for each in self.accounts):
            self._fault(entry, row.band, f"stream {row.stream} came back at row {row.seq}")
        first = row.seq - pending.lost_rows - pending.unrecorded
        lossy = [gap for gap in pending.gaps if gap.lost_rows]
        if lossy and not pending.unrecorded and lossy[0].after_seq != first - 1:
            told = f"{pending.lost_rows} rows lost after row {lossy[0].after_seq}"
            self._fault(entry, row.band, f"{told}, and the first row is {row.seq}")
        account = Account(stream, first, last_row=first - 1, known=first - 1)
        self._open[row.band] = account
        self.accounts.append(account)
        return account

    def _compare(self, entry: int, stream: Stream, row: PsdFrame) -> None:
        sent = stream.row(row.seq)
        for name in SAME:
            if getattr(sent, name) != getattr(row, name):
                words = f"row {row.seq}: {name} {getattr(row, name)!r}, sent was {getattr(sent, name)!r}"
                self._fault(entry, row.band, words)
        if sent.power_db.tobytes() != row.power_db.tobytes():
            self._fault(entry, row.band, f"row {row.seq}: other values than those that were sent")

    def _fault(self, entry: int, band: str, words: str) -> None:
        self.faults.append(f"entry {entry}, {band}: {words}")
