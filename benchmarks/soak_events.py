"""Random events against a live agent and its publisher, and the books after them."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from bandwatch.benchmarks.soak_books import Books
from bandwatch.benchmarks.soak_publisher import NODE
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.benchmarks.soak_truth import BandPlan

# Too narrow for windows, one segment, eight segments: quick, usual, slow.
PLANS = (
    BandPlan("narrow", bins=16, row_seconds=0.05, rows_per_second=20.0),
    BandPlan("usual", bins=64, row_seconds=0.02, rows_per_second=50.0),
    BandPlan("wide", bins=1024, row_seconds=0.1, rows_per_second=10.0),
)
SETTINGS = {"transport": {"queue_frames": 64}, "models": {"threads": 1, "warm_up_windows": 24}}
# So many rows at once: more than the queue and, while the agent stands still, than its socket holds.
LARGEST_BURST = {"narrow": 20_000, "usual": 8_000, "wide": 3_000}


class Events:
    """A seeded sequence of events; `books` are made from the store as it goes.

    `stop_seconds`: how long a stopped process stands still. `pause_seconds`: at most so long nothing happens
    between two events. `counts` says how many of each kind there were.
    """

    def __init__(self, rig: Rig, seed: int, *, stop_seconds: float, pause_seconds: float) -> None:
        self._rig = rig
        self._random = random.Random(seed)
        self._stop_seconds = stop_seconds
        self._pause_seconds = pause_seconds
        self.books = Books(rig.truth)
        self.counts: Counter[str] = Counter()
        self.calm_checks = 0
        self.kinds: dict[str, Callable[[], None]] = {
            "slow consumer": self._burst,
            "agent stopped": self._stop_agent,
            "publisher stopped": self._stop_publisher,
            "agent killed": self._kill_agent,
            "publisher killed": self._kill_publisher,
            "both killed": self._kill_both,
            "agent restarted": self._restart_agent,
            "publisher restarted": self._restart_publisher,
        }

    def begin(self) -> None:
        self._rig.start_agent()
        self._rig.start_publisher()
        self.wait_for_all_bands()

    def run(self, kinds: list[str]) -> None:
        """One event after the other, at random moments."""
        for kind in kinds:
            self._wait()
            self.kinds[kind]()
            self.counts[kind] += 1

    def shuffled(self, count: int) -> list[str]:
        """`count` kinds of events, each as often as any other, in random order."""
        names = list(self.kinds)
        kinds = (names * (count // len(names) + 1))[:count]
        self._random.shuffle(kinds)
        return kinds

    # ---- the events ---------------------------------------------------------------------------------

    def _burst(self) -> None:
        self._rig.tell_publisher(self._burst_command())

    def _stop_agent(self) -> None:
        process = self._rig.agent.process
        process.send_signal(signal.SIGSTOP)
        self._rig.tell_publisher(self._burst_command())
        time.sleep(self._stop_seconds)
        process.send_signal(signal.SIGCONT)

    def _stop_publisher(self) -> None:
        self._rig.publisher.send_signal(signal.SIGSTOP)
        time.sleep(self._stop_seconds)
        self._rig.publisher.send_signal(signal.SIGCONT)

    def _kill_agent(self) -> None:
        if self._random.random() < 0.5:
            self._rig.ask_publisher(command := self._burst_command())
            self._wait(0.3)
            self._rig.kill_agent()
            self._rig.publisher_did(command)
        else:
            self._rig.kill_agent()
        self._wait()
        self._next_agent()

    def _kill_publisher(self) -> None:
        if self._random.random() < 0.5:
            self._rig.ask_publisher(self._burst_command())
            self._wait(0.3)
        self._rig.kill_publisher()
        self._wait()
        self._rig.start_publisher()

    def _kill_both(self) -> None:
        kills = [self._rig.kill_agent, self._rig.kill_publisher]
        self._random.shuffle(kills)
        for kill in kills:
            kill()
            self._wait(0.2)
        starts = [self._start_agent, self._rig.start_publisher]
        self._random.shuffle(starts)
        for start in starts:
            start()

    def _restart_agent(self) -> None:
        self._rig.stop_agent()
        self._wait()
        self._next_agent()

    def _restart_publisher(self) -> None:
        self._rig.end_publisher()
        self._wait()
        self._rig.start_publisher()

    def _start_agent(self) -> None:
        self.read()
        self.books.mark()
        self._rig.start_agent()

    def _next_agent(self) -> None:
        self._start_agent()
        # Mostly it may begin to hear; the others are struck while they start.
        if self._random.random() < 0.75:
            self._rig.agent.wait_for("rows", lambda: any(self._metric("frames_received_total").values()))

    def _burst_command(self) -> str:
        band = self._random.choice(self._rig.plans)
        return f"burst {band.name} {self._random.randint(100, LARGEST_BURST[band.name])}"

    def _wait(self, longest_seconds: float | None = None) -> None:
        time.sleep(
            self._random.uniform(0, self._pause_seconds if longest_seconds is None else longest_seconds)
        )

    # ---- the books ----------------------------------------------------------------------------------

    def read(self) -> None:
        """Take what the store has now."""
        self.books.take(self._rig.entries_after(self.books.entry))

    def wait_for_all_bands(self) -> None:
        """Until rows of each band's present stream are in the store."""
        present = self._present()

        def heard() -> bool:
            self.read()
            return all((known := self.books.known(band)) and known[0] == present[band][0] for band in present)

        self._wait_until("rows of every band", heard)

    def calm(self) -> None:
        """The publisher pauses; then store, metrics and truth say the same, to the row."""
        self.wait_for_all_bands()
        self._rig.tell_publisher("pause")
        self._wait_until("the last row announced", self._is_settled)
        self._compare_metrics()
        self.calm_checks += 1
        self._rig.tell_publisher("resume")

    def finish(self) -> Books:
        """All is heard; the agent stops; the books are closed."""
        self.calm()
        self._rig.tell_publisher("pause")
        self._wait_until("the last row announced", self._is_settled)
        self._rig.stop_agent()
        self.read()
        present = self._present()
        self.books.close()
        for account in self.books.accounts:
            if account.stream.stream == present[account.stream.band][0] and self.books.unheard(account):
                self.books.faults.append(f"{account.stream.band}: {self.books.unheard(account)} rows unheard")
        return self.books

    def _is_settled(self) -> bool:
        self.read()
        return all(self.books.known(band) == last for band, last in self._present().items())

    def _present(self) -> dict[str, tuple[int, int]]:
        """Of each band the stream that is published now, and its last row."""
        newest = {stream.band: stream.stream for stream in self._rig.truth.streams()}
        return {band: (stream, self._rig.truth.last_seq(stream)) for band, stream in newest.items()}

    def _compare_metrics(self) -> None:
        """What this agent says of its life so far is what it has recorded of it."""
        received, ignored = self._metric("frames_received_total"), self._metric("frames_ignored_total")
        lost, gaps = self._metric("frames_lost_total"), self._metric("gaps_total")
        reasons = {reason for _, reason in self.books.gaps}
        for band in (plan.name for plan in self._rig.plans):
            at = f'{{band="{band}",node="{NODE}"'
            said = received[at + "}"] - sum(n for labels, n in ignored.items() if labels.startswith(at))
            self._same(band, "rows", said, self.books.rows[band] + self.books.gaps[band, "source"])
            for reason in reasons:
                labels = f'{at},reason="{reason}"}}'
                self._same(band, f"gaps {reason}", gaps.get(labels, 0), self.books.gaps[band, reason])
                self._same(band, f"lost {reason}", lost.get(labels, 0), self.books.lost[band, reason])

    def _same(self, band: str, what: str, said: float, recorded: int) -> None:
        if said != recorded:
            words = f"life {self._rig.lives}, {band}: {said:g} {what} by /metrics, {recorded} by the store"
            self.books.faults.append(words)

    def _metric(self, name: str) -> dict[str, float]:
        return self._rig.agent.metric(f"bandwatch_{name}")

    def _wait_until(self, what: str, ask: Callable[[], bool]) -> None:
        try:
            self._rig.agent.wait_for(what, ask)
        except AssertionError as failure:
            known = {band: self.books.known(band) for band in self._present()}
            told = f"known {known}, sent {self._present()}; {self.books.faults[:5]}"
            raise AssertionError(f"{told}\n{failure}") from None
