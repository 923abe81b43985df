"""kill -9 at random moments: what a restart finds, and whether it goes on as if nothing had happened."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bandwatch.benchmarks.soak_books import Books
from bandwatch.benchmarks.soak_publisher import NODE
from bandwatch.benchmarks.soak_rerun import Rerun, gauges
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.benchmarks.soak_truth import BandPlan
from bandwatch.pipeline.frames import NS_PER_S
from bandwatch.pipeline.windows import WINDOW_BINS, WINDOW_ROWS

# Steps of a second are ten rows; by the clock they come faster than that.
PLANS = (
    BandPlan("usual", bins=64, row_seconds=0.1, rows_per_second=100.0),
    BandPlan("wide", bins=1024, row_seconds=0.1, rows_per_second=30.0),
)
# A queue so long that no stride rises: with others the uninterrupted agent would look at other windows.
SETTINGS = {"models": {"threads": 1, "warm_up_windows": 24}, "transport": {"queue_frames": 100_000}}
BAND_SETTINGS = {"history": {"step_seconds": 1}}
# Rows are dated so long before now, and may never overtake it.
BEGUN_SECONDS = 86_400.0
# The default of store.flush_seconds: at most so much may be missing.
FLUSH_SECONDS = 10.0
LOOK_SECONDS = 0.25
# Of so many kills one is followed by a restart on a few rows alone.
QUIET_EVERY = 4


@dataclass(slots=True)
class Kill:
    """`missing_seconds`: for how long at most a row had been heard that is in no store; None where the
    agent had recorded nothing of this life yet. `ready_seconds` and `ready_rows`: from start to /readyz."""

    missing_seconds: float | None
    missing_rows: int
    ready_seconds: float | None = None
    ready_rows: int | None = None


@dataclass(slots=True)
class Kills:
    """Kills, and everything that was not as promised, in words."""

    rig: Rig
    seed: int
    longest_life_seconds: float
    books: Books = field(init=False)
    kills: list[Kill] = field(default_factory=list[Kill])
    faults: list[str] = field(default_factory=list[str])
    _random: random.Random = field(init=False)
    _heard: list[tuple[int, dict[str, float]]] = field(default_factory=list[tuple[int, dict[str, float]]])

    def __post_init__(self) -> None:
        self.books = Books(self.rig.truth)
        self._random = random.Random(self.seed)

    def begin(self) -> None:
        """Until every band has labels and forecasts."""
        agent = self.rig.start_agent()
        self.rig.start_publisher()
        bands = len(self.rig.plans)
        agent.wait_for("forecasts", lambda: len(agent.metric("bandwatch_band_forecast_db")) == 12 * bands)
        agent.wait_for("labels", lambda: agent.get("/readyz")[0] == 200)

    def kill(self, *, quiet: bool) -> None:
        """One kill at a random moment, and a restart. `quiet`: few rows come until it is ready."""
        self._heard = []
        if quiet:
            self._wait_until("rows recorded", lambda: all(self._recorded().values()))
        # Else also while it starts, reads its state, or has just begun to hear.
        self._live(self._random.uniform(0, 1 if quiet else self.longest_life_seconds))
        killed_ns = time.monotonic_ns()
        self.rig.kill_agent()
        self.books.take(self.rig.entries_after(self.books.entry))
        self.kills.append(Kill(*self._missing(killed_ns)))
        self.books.mark()
        if quiet:
            self.rig.tell_publisher("pause")
            self._restart_on_few_rows()
            self.rig.tell_publisher("resume")
        else:
            self.rig.start_agent()

    def compare(self) -> Rerun:
        """The publisher pauses; all that was found is what an uninterrupted agent finds in the same rows."""
        newest = {stream.band: stream.stream for stream in self.rig.truth.streams()}
        # Windows of this life, so that its gauges are its own.
        agent = self.rig.agent
        segments = sum(math.ceil(plan.bins / WINDOW_BINS) for plan in self.rig.plans)
        agent.wait_for("windows", lambda: len(agent.metric("bandwatch_cluster")) == segments)
        self.rig.tell_publisher("pause")
        last = {band: (stream, self.rig.truth.last_seq(stream)) for band, stream in newest.items()}

        def settled() -> bool:
            self.books.take(self.rig.entries_after(self.books.entry))
            return all(self.books.known(band) == known for band, known in last.items())

        self._wait_until("the last row announced", settled)
        rerun = Rerun(self.rig.settings_path).take(self.rig.entries())
        self._same_results(rerun)
        self._same_gauges(rerun, gauges(agent.get("/metrics")[1]))
        self.rig.tell_publisher("resume")
        return rerun

    # ---- behind them --------------------------------------------------------------------------------

    def _restart_on_few_rows(self) -> None:
        """A row of each band at a time, until the agent is ready: fewer than a window or 24 steps have."""
        begun = time.monotonic()
        agent = self.rig.start_agent()

        def is_ready() -> bool:
            for plan in self.rig.plans:
                self.rig.tell_publisher(f"burst {plan.name} 1")
            return agent.get("/readyz")[0] == 200

        agent.wait_for("/readyz", is_ready)
        self.kills[-1].ready_seconds = time.monotonic() - begun
        forecasts = len(agent.metric("bandwatch_band_forecast_db"))
        rows = max(agent.metric("bandwatch_frames_received_total").values())
        self.kills[-1].ready_rows = round(rows)
        if rows >= WINDOW_ROWS:
            self.faults.append(f"life {self.rig.lives}: ready after {rows:g} rows")
        if forecasts != 12 * len(self.rig.plans):
            self.faults.append(f"life {self.rig.lives}: ready with {forecasts} forecast gauges")

    def _live(self, seconds: float) -> None:
        """So long the agent lives on, and says now and then how many rows it has heard."""
        end = time.monotonic() + seconds
        while True:
            if self.rig.agent.events("serving"):
                asked_ns = time.monotonic_ns()
                with suppress(OSError):
                    received = self.rig.agent.metric("bandwatch_frames_received_total")
                    heard = {
                        band: received.get(f'{{band="{band}",node="{NODE}"}}', 0.0) for band in self._bands()
                    }
                    self._heard.append((asked_ns, heard))
            left_seconds = end - time.monotonic()
            if left_seconds <= 0:
                return
            time.sleep(min(left_seconds, LOOK_SECONDS))

    def _missing(self, killed_ns: int) -> tuple[float | None, int]:
        """Of the band that lost most: for how long at most its first row not recorded had been heard, and how
        many rows; both by what the agent itself said before the kill."""
        longest, rows = None, 0
        for band in self._bands():
            recorded = self.books.rows[band] + self.books.gaps[band, "source"]
            if not self._heard or not recorded:
                continue
            missing = round(max(0, self._heard[-1][1][band] - recorded))
            known_ns = [asked_ns for asked_ns, heard in self._heard if heard[band] <= recorded]
            since_ns = known_ns[-1] if known_ns else self._heard[0][0]
            seconds = (killed_ns - since_ns) / NS_PER_S if missing else 0.0
            if longest is None or seconds > longest:
                longest, rows = seconds, missing
        return longest, rows

    def _bands(self) -> list[str]:
        return [plan.name for plan in self.rig.plans]

    def _recorded(self) -> dict[str, int]:
        self.books.take(self.rig.entries_after(self.books.entry))
        return {plan.name: self.books.rows[plan.name] for plan in self.rig.plans}

    def _same_results(self, rerun: Rerun) -> None:
        if rerun.found == rerun.told:
            return
        pairs = zip(rerun.found, rerun.told, strict=False)
        first = next((i for i, (found, told) in enumerate(pairs) if found != told), None)
        words = (
            f"{len(rerun.told)} verdicts and fits in the store, {len(rerun.found)} of an uninterrupted agent"
        )
        if first is not None:
            words += f"; number {first}: {rerun.told[first]}, uninterrupted {rerun.found[first]}"
        self.faults.append(f"life {self.rig.lives}: {words}")

    def _same_gauges(self, rerun: Rerun, said: dict[str, str]) -> None:
        wanted = rerun.gauges()
        for name in sorted(said.keys() | wanted.keys()):
            if said.get(name) != wanted.get(name):
                words = f"{name} {said.get(name)}, uninterrupted {wanted.get(name)}"
                self.faults.append(f"life {self.rig.lives}: {words}")

    def _wait_until(self, what: str, ask: Callable[[], bool]) -> None:
        self.rig.agent.wait_for(what, ask)
