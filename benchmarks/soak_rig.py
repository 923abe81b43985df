"""An agent and its publisher as processes of their own, killed and started at will on one store and truth."""

from __future__ import annotations

import heapq
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from bandwatch.benchmarks.soak_publisher import NODE
from bandwatch.benchmarks.soak_truth import BandPlan, Truth
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Note
from bandwatch.pipeline.store import stored_events, stored_rows
from bandwatch.tests.agent.processes import Agent, started

ANSWER_SECONDS = 120.0
TORN = ": 0 sealed entries are missing"

Numbered = tuple[int, PsdFrame | Gap | Note]


class Rig:
    """Everything is under `folder`: store, truth, settings, logs of every life (`agent-<life>.log`).

    `damage` is what reading the store tells of, but for files that end in the middle of a batch: `torn`.
    `settings` are merged over those that make the agent hear the plans' bands from the publisher.
    """

    def __init__(
        self,
        folder: Path,
        plans: Sequence[BandPlan],
        *,
        settings: dict[str, Any] | None = None,
        band_settings: dict[str, Any] | None = None,
        start_ns: int | None = None,
    ) -> None:
        self.folder = folder
        self.plans = list(plans)
        self.store = folder / "agent-state"
        self.truth = Truth(folder / "truth")
        self.lives = 0
        self.damage: list[str] = []
        self.torn: set[str] = set()
        self._start_ns = time.time_ns() if start_ns is None else start_ns
        self._endpoint = f"tcp://127.0.0.1:{free_port()}"
        self._agent: Agent | None = None
        self._agent_parts = ExitStack()
        self._publisher: subprocess.Popen[str] | None = None
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        source = {"kind": "stream", "endpoint": self._endpoint, "node": NODE}
        bands = [{"name": plan.name, "source": source, **(band_settings or {})} for plan in plans]
        self.settings_path = folder / "agent.yaml"
        self.settings_path.write_text(yaml.safe_dump({"bands": bands, **(settings or {})}))

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_agent()
        self.kill_publisher()

    # ---- the agent ----------------------------------------------------------------------------------

    @property
    def agent(self) -> Agent:
        assert self._agent is not None, "no agent runs"
        return self._agent

    def start_agent(self) -> Agent:
        self.lives += 1
        self._agent = self._agent_parts.enter_context(
            started(self.folder, "run", "-c", str(self.settings_path))
        )
        return self._agent

    def kill_agent(self) -> None:
        """kill -9; harmless where none runs."""
        self._agent_parts.close()
        self._agent = None
        log = self.folder / "agent.log"
        if log.exists():
            log.rename(self.folder / f"agent-{self.lives}.log")

    def stop_agent(self) -> None:
        """SIGTERM, as systemd would; it may end a process that has not begun yet to handle signals."""
        process = self.agent.process
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=ANSWER_SECONDS)
        too_early = code == -signal.SIGTERM and not self.agent.events("started")
        assert code == 0 or too_early, f"exit code {code}:\n{self.agent.text()}"
        self.kill_agent()

    def entries(self) -> Iterator[Numbered]:
        """Everything in the store, in the order of its entries; while nothing is added to it."""
        notes = (each for each in stored_events(self.store, told=self._tell) if each[1].kind != "gap")
        return heapq.merge(stored_rows(self.store, told=self._tell), notes, key=itemgetter(0))

    def entries_after(self, entry: int) -> list[Numbered]:
        """Rows, gaps and what was not recorded, after an entry; also while the agent adds to them."""
        if not (self.store / "store.yaml").exists():
            return []
        rows = list(stored_rows(self.store, after_entry=entry, told=self._tell))
        if not rows:
            return []
        # Read after the rows, so that none which stands before one of them is missed.
        notes = stored_events(self.store, kinds=["unrecorded"], told=self._tell)
        unrecorded = [each for each in notes if entry < each[0] < rows[-1][0]]
        return list(heapq.merge(rows, unrecorded, key=itemgetter(0)))

    def _tell(self, line: str) -> None:
        # A kill may fall between a batch and its seal: what is not sealed was never recorded.
        if line.endswith(TORN):
            self.torn.add(line)
        elif line not in self.damage:
            self.damage.append(line)

    # ---- the publisher ------------------------------------------------------------------------------

    @property
    def publisher(self) -> subprocess.Popen[str]:
        assert self._publisher is not None, "no publisher runs"
        return self._publisher

    def start_publisher(self) -> None:
        plans = json.dumps([asdict(plan) for plan in self.plans])
        command = [sys.executable, "-m", "bandwatch.benchmarks.soak_publisher"]
        with (self.folder / "publisher.log").open("ab") as log:
            self._publisher = subprocess.Popen(
                [*command, self._endpoint, str(self.folder / "truth"), plans, str(self._start_ns)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        self._answer("publishing")

    def tell_publisher(self, command: str) -> None:
        """One command; returns when it has been done."""
        self.ask_publisher(command)
        self._answer(f"done {command}")

    def ask_publisher(self, command: str) -> None:
        """One command, without waiting: `publisher_did` waits for it."""
        stream = self.publisher.stdin
        assert stream is not None
        stream.write(command + "\n")
        stream.flush()

    def publisher_did(self, command: str) -> None:
        self._answer(f"done {command}")

    def kill_publisher(self) -> None:
        """kill -9; harmless where none runs."""
        if self._publisher is not None:
            self._publisher.kill()
            self._reap()

    def end_publisher(self) -> None:
        """It says that its streams have ended, and goes."""
        self.tell_publisher("end")
        self.publisher.wait(timeout=ANSWER_SECONDS)
        self._reap()

    def _reap(self) -> None:
        process = self.publisher
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._publisher = None

    def _answer(self, wanted: str) -> None:
        stream = self.publisher.stdout
        assert stream is not None
        said = stream.readline().strip()
        if said != wanted:
            log = (self.folder / "publisher.log").read_text()
            raise AssertionError(f"the publisher said {said!r}, not {wanted!r}:\n{log}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
