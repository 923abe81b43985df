"""Agents over planted rows and a real store, whose forecasts are mapped, for tests."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from bandwatch.agent.core import Core
from bandwatch.agent.fits import Fits
from bandwatch.agent.forecast_explainer import ForecastExplainer
from bandwatch.agent.forecast_map_job import ForecastMapJob, new_map_job
from bandwatch.agent.forecaster_in_use import ForecasterInUse
from bandwatch.agent.intake import DirectIntake
from bandwatch.agent.logs import open_log
from bandwatch.agent.loop import Loop
from bandwatch.agent.memory import Memory
from bandwatch.agent.routes import Routes
from bandwatch.config.schema import Settings
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.models.bundle import Bundle
from bandwatch.pipeline.frames import NS_PER_S, PsdFrame, read_only

BAND = ("node", "band")
START_NS = 1_800_000_000 * NS_PER_S
# What the worker does, without making way for everybody first: this machine may be busy.
AT_ONCE = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from bandwatch.agent.forecast_map_worker import work; "
    "work(Path(sys.argv[1]))",
)
FOR_EVER = (sys.executable, "-c", "import time; time.sleep(1000)")
REFUSING = (
    sys.executable,
    "-c",
    "import sys; from bandwatch.agent import worker_process as ours, forecast_map_worker as its; "
    "ours.make_way = lambda _: None; sys.exit(ours.run_worker(its.work, sys.argv[1:]))",
)
EARLY = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; "
    """(Path(sys.argv[1]) / "result.json").write_text('{"folder": null}')""",
)
PLANTED = PlantedLeader.make(3, rows=420)


def planted_rows(count: int, first: int = 0, low_hz: float = 868e6) -> list[PsdFrame]:
    """Rows of a minute: one of 16 frequencies does what all others do twelve rows later."""
    return [
        PsdFrame(
            *BAND,
            1,
            number,
            START_NS + number * 60 * NS_PER_S,
            60 * NS_PER_S,
            low_hz + 7.5e4,
            1e4,
            read_only(-90 + 3 * PLANTED.values[number]),
            "dBm/bin",
        )
        for number in range(first, first + count)
    ]


def settings_in(folder: Path, **explain: float) -> Settings:
    return Settings.model_validate(
        {
            "node": {"name": "node"},
            "bands": [{"name": "band", "source": {"kind": "stream", "endpoint": "tcp://127.0.0.1:1"}}],
            "store": {"directory": str(folder), "keep_free_bytes": 0, "flush_seconds": 0.1},
            "explain": explain,
            "logging": {"level": "error"},
        }
    )


class Life:
    """An agent over rows, from its start to its end; the explainer's clock is moved by hand."""

    def __init__(self, folder: Path, bundle: Bundle, worker=AT_ONCE, **explain: float) -> None:
        self.folder, self.now_seconds = folder, 0.0
        self.settings = settings_in(folder, **explain)
        self.core = Core(self.settings, serve=False, show=False)
        self.stream = io.StringIO()
        self.registry = self.core.registry
        self.core.telemetry._log = open_log("debug", "json", self.stream)
        self.memory = Memory(self.settings, bundle.name, self.core.telemetry).__enter__()
        self.routes = Routes(self.settings, bundle, self.core.telemetry, only_configured=True)
        self.routes.fits = Fits(folder)
        self.memory.recover(self.routes)
        self.loop = Loop(
            DirectIntake(iter(())), self.routes, self.core, Event(), live=False, memory=self.memory
        )
        self.explainer = ForecastExplainer(
            self.settings,
            folder,
            self.core.telemetry,
            monotonic_seconds=lambda: self.now_seconds,
            worker=worker,
        )

    def hear(self, rows: list[PsdFrame]) -> None:
        for row in rows:
            self.loop.take(row)
        self.memory.flush()
        self.explainer.between_rows(self.routes)

    def value(self, name: str, **labels: str) -> float | None:
        at = {"node": BAND[0], "band": BAND[1]} | labels
        return self.registry.get_sample_value(f"bandwatch_{name}", at)

    def begin(self, seconds: float = 300) -> int | None:
        """The process at work once so much time has passed."""
        self.now_seconds += seconds
        self.explainer.turn()
        return self.explainer.worker_pid

    def finish(self) -> None:
        wait_for(lambda: self.explainer.turn() or self.explainer.worker_pid is None)

    def jobs(self) -> list[Path]:
        return list((self.folder / "explain" / "forecasts").glob(".job-*"))

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def end(self) -> None:
        if (pid := self.explainer.worker_pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self.finish()
        self.memory.__exit__(None, None, None)


def wait_for(ask: Callable[[], object], seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def job_of(folder: Path, in_use: ForecasterInUse) -> Path:
    job = ForecastMapJob(str(folder), *BAND, [], 0, 60.0, 24.0, 40, "request", in_use)
    return new_map_job(folder / "explain" / "forecasts", job)
