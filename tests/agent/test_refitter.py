"""Re-fits of a running agent's forecasters, by workers that are real processes, over a real store."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from bandwatch.agent.core import Core
from bandwatch.agent.event_words import event_words
from bandwatch.agent.fits import MOST_KEPT, Fits
from bandwatch.agent.intake import DirectIntake
from bandwatch.agent.loop import Loop
from bandwatch.agent.memory import Memory
from bandwatch.agent.refit_job import read_refit_job
from bandwatch.agent.refit_worker import MOST_ROWS
from bandwatch.agent.refitter import WORKER, Refitter
from bandwatch.agent.route import BandRoute
from bandwatch.agent.routes import Routes
from bandwatch.agent.stored_steps import stored_steps
from bandwatch.config.schema import Settings
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.forecast_fit import load_fit
from bandwatch.pipeline.frames import NS_PER_S, Forecast, Gap, PsdFrame, read_only
from bandwatch.pipeline.journal_entries import Note
from bandwatch.pipeline.masks import Mask
from bandwatch.tests.jig import same

BAND = ("node", "band")
START_NS = 1_800_000_000 * NS_PER_S
# What the worker does, without making way for everybody first: this machine may be busy.
AT_ONCE = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from bandwatch.agent.refit_worker import work; "
    "work(Path(sys.argv[1]))",
)
FOR_EVER = (sys.executable, "-c", "import time; time.sleep(1000)")


def band_rows(count: int, first: int = 0, bins: int = 8) -> list[PsdFrame]:
    """Rows of a minute whose level comes half way back to -90 dB each: repeating the last is not the best."""
    random = np.random.default_rng(7)
    level = np.full(bins, -90.0)
    made = []
    for number in range(first + count):
        level = -90 + 0.5 * (level + 90) + random.normal(size=bins)
        if number >= first:
            power_db = read_only(level.astype(np.float32))
            begun_ns = START_NS + number * 60 * NS_PER_S
            made.append(PsdFrame(*BAND, 1, number, begun_ns, 60 * NS_PER_S, 868e6, 1e3, power_db, "dBm/bin"))
    return made


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped_bundle(), device="cpu", threads=1)


class Life:
    """An agent over rows, from its start to its end; the refitter's clock is moved by hand."""

    def __init__(self, folder: Path, bundle: Bundle, worker=AT_ONCE, **forecast: float) -> None:
        self.settings = Settings.model_validate(
            {
                "node": {"name": "node"},
                "bands": [{"name": "band", "source": {"kind": "stream", "endpoint": "tcp://127.0.0.1:1"}}],
                "store": {"directory": str(folder), "keep_free_bytes": 0, "flush_seconds": 0.1},
                "forecast": forecast,
                "logging": {"level": "error"},
            }
        )
        self.folder, self.now_seconds = folder, 0.0
        self.stream = io.StringIO()
        self.outputs: list[object] = []
        self.core = Core(self.settings, serve=False, show=False)
        self.core.sinks.append(self)
        self.memory = Memory(self.settings, bundle.name, self.core.telemetry).__enter__()
        self.routes = Routes(self.settings, bundle, self.core.telemetry, only_configured=True)
        self.fits = self.routes.fits = Fits(folder)
        self.memory.recover(self.routes)
        self.loop = Loop(
            DirectIntake(iter(())), self.routes, self.core, Event(), live=False, memory=self.memory
        )
        self.refitter = Refitter(
            self.settings,
            folder,
            self.fits,
            self.core.telemetry,
            monotonic_seconds=lambda: self.now_seconds,
            worker=worker,
        )

    def take(self, item: object) -> None:
        self.outputs.append(item)

    def hear(self, rows: list[PsdFrame]) -> None:
        for row in rows:
            self.loop.take(row)
        self.memory.flush()

    @property
    def route(self) -> BandRoute:
        route = self.routes.of(*BAND)
        assert route is not None
        return route

    def value(self, name: str, **labels: str) -> float | None:
        at = {"node": BAND[0], "band": BAND[1]} | labels
        return self.core.registry.get_sample_value(f"bandwatch_{name}", at)

    def between_rows(self) -> None:
        self.refitter.between_rows(self.routes, self.memory.tell)

    def begin(self, seconds: float = 300) -> int | None:
        """The process at work once so much time has passed."""
        self.between_rows()
        self.now_seconds += seconds
        self.refitter.turn()
        return self.refitter.worker_pid

    def refit(self, seconds: float = 300) -> None:
        assert self.begin(seconds) is not None
        self.finish()
        self.between_rows()

    def finish(self) -> None:
        wait_for(lambda: self.refitter.turn() or self.refitter.worker_pid is None)

    def jobs(self) -> list[Path]:
        return list((self.folder / "forecast").glob(".job-*"))

    def end(self, *, killed: bool = False) -> None:
        self.memory.__exit__(RuntimeError if killed else None, None, None)
        if (pid := self.refitter.worker_pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self.finish()

    def forecasts(self) -> list[Forecast]:
        return [each for each in self.outputs if isinstance(each, Forecast)]


@pytest.fixture
def life(tmp_path: Path, bundle: Bundle) -> Iterator[Callable[..., Life]]:
    made: list[Life] = []

    def make(worker=AT_ONCE, folder: str = "store", **forecast: float) -> Life:
        made.append(Life(tmp_path / folder, bundle, worker, **forecast))
        return made[-1]

    yield make
    made[-1].end()


def wait_for(ask: Callable[[], object], seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_fit_on_what_is_stored_is_used_from_the_next_step_on(life):
    one = life()
    one.hear(band_rows(300))
    assert one.forecasts()[-1].model in ("repeat-last", "nlinear")
    one.refit()
    fit = one.route.fit
    assert fit is not None, one.value("forecast_refits_failed_total", reason="error")
    assert fit.steps == 300 - 48
    assert fit.rmse_db < 0.95 * fit.repeat_last_rmse_db
    assert len(fit.squares) == 48
    assert one.value("forecast_refits_total") == 1
    assert one.value("forecast_fit_skill_ratio") == pytest.approx(1 - fit.rmse_db / fit.repeat_last_rmse_db)
    assert one.value("forecast_fit_timestamp_seconds") == pytest.approx(time.time(), abs=300)
    assert one.jobs() == []

    (more,) = band_rows(1, first=300)
    one.hear([more])
    values = np.stack([row.power_db for row in [*band_rows(300), more]])
    expected = fit.forecaster.forecasts(values, np.array([301]))[0]
    default = one.route.state()["contest"]["waiting"]["forecasts"][-1]["means"]["default"]
    np.testing.assert_allclose(default, expected, rtol=1e-6)


def test_a_restart_goes_on_with_the_fit_to_the_bit_wherever_it_came(life, bundle, tmp_path):
    rows = band_rows(420)
    whole = life()
    whole.hear(rows[:300])
    whole.refit()
    whole.hear(rows[300:400])
    whole.end(killed=True)  # no last state: the journal tells of the fit
    after_a_kill = life()
    assert same(after_a_kill.route.state(), whole.route.state())
    assert after_a_kill.route.fit.key == whole.route.fit.key
    assert after_a_kill.route.fit.forecaster is not whole.route.fit.forecaster
    after_a_kill.end()  # with a state
    after_a_stop = life()
    before = len(whole.outputs)
    for each in (whole, after_a_stop):
        for row in rows[400:]:
            for output in each.route.push(row):
                each.take(output)
    again = [each for each in after_a_stop.outputs if isinstance(each, Forecast)]
    assert len(again) == 20
    assert same(again, [each for each in whole.outputs[before:] if isinstance(each, Forecast)])
    after_a_stop.between_rows()
    assert after_a_stop.value("forecast_fit_skill_ratio") == pytest.approx(
        1 - whole.route.fit.rmse_db / whole.route.fit.repeat_last_rmse_db
    )
    assert after_a_stop.begin() is None, "it is young"


def test_a_fit_that_is_gone_costs_the_fit_and_nothing_else(life, tmp_path):
    one = life()
    one.hear(band_rows(300))
    one.refit()
    key = one.route.fit.key
    one.end()
    (tmp_path / "store" / "forecast" / "node" / "band" / key / "fit.state").unlink()
    again = life()
    assert again.route.fit is None
    again.hear(band_rows(2, first=300))
    assert again.forecasts()[-1].model in ("repeat-last", "nlinear")


def test_the_event_says_in_words_how_good_the_fit_is() -> None:
    facts = {"fit": "ac36", "steps": 252, "rmse_db": 1.25, "repeat_last_rmse_db": 1.5}
    assert event_words(Note("node", "band", 0, "refit", facts)) == (
        "forecaster ac36 of 252 steps: 1.25 dB on the newest, which it had not seen, "
        "where repeat-last has 1.5 dB"
    )


def test_a_killed_worker_costs_one_refit_and_frames_go_on(life):
    one = life(FOR_EVER)
    one.hear(band_rows(20))
    os.kill(one.begin(), signal.SIGKILL)
    one.finish()
    assert one.value("forecast_refits_failed_total", reason="killed") == 1
    assert one.jobs() == []
    assert one.begin(1799) is None
    assert one.begin(1) is not None, "half an hour later it is tried again"


def test_a_worker_that_takes_too_long_is_ended(life):
    one = life(FOR_EVER, refit_most_seconds=30)
    one.hear(band_rows(1))
    pid = one.begin()
    one.now_seconds += 31
    one.refitter.turn()
    assert one.value("forecast_refits_failed_total", reason="timeout") == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert one.jobs() == []


def test_too_few_steps_are_counted_and_tried_again_and_one_no_worse_stays(life):
    one = life()
    one.hear(band_rows(100))
    one.refit()
    assert one.route.fit is None
    assert one.value("forecast_refits_skipped_total", reason="too_few_steps") == 1
    one.hear(band_rows(200, first=100))
    one.refit(1800)
    key = one.route.fit.key
    one.refit(6 * 3600)  # on the same rows: the same errors
    assert one.value("forecast_refits_skipped_total", reason="no_worse") == 1
    assert one.route.fit.key == key


def test_a_fit_of_other_rows_is_refused(life):
    one = life()
    one.hear(band_rows(300))
    assert one.begin() is not None
    one.finish()
    one.hear(band_rows(40, first=300, bins=9))  # retuned meanwhile
    one.between_rows()
    assert one.value("forecast_refits_failed_total", reason="refused") == 1
    assert one.route.fit is None
    assert one.route.state()["contest"]["refused"] == {}
    assert one.begin(1799) is None
    assert one.begin(1) is not None, "not a period later"


def test_a_band_that_was_retuned_is_fitted_anew_as_soon_as_it_has_enough_steps(life):
    one = life(refit_hours=200)
    one.hear(band_rows(300))
    one.refit()
    assert one.route.fit is not None
    one.hear(band_rows(225, first=300, bins=9))
    assert one.route.fit is None
    assert one.begin(1799) is None
    one.refit(1)
    assert one.value("forecast_refits_skipped_total", reason="too_few_steps") == 1
    one.hear(band_rows(15, first=525, bins=9))
    assert one.begin(15 * 60 - 1) is None
    one.refit(1)
    assert one.route.fit is not None
    assert one.route.fit.frequencies_hz.size == 9


def test_over_steps_that_came_while_it_was_made_a_fit_is_compared_with_nobody(life):
    one = life()
    one.hear(band_rows(300))
    assert one.begin() is not None
    one.finish()
    one.hear(band_rows(40, first=300))
    one.between_rows()
    records = one.route.state()["contest"]["standings"]["records"]
    scored = records["default"][:, 2] > 0
    assert scored.tolist() == [True] * 48 + [False] * 40
    assert (records["nlinear"][-40:, 2] > 0).all()
    one.hear(band_rows(2, first=340))
    scored = one.route.state()["contest"]["standings"]["records"]["default"][:, 2] > 0
    assert scored.tolist()[48:] == [False] * 41 + [True]


def test_a_refusal_is_told_in_the_workers_words(life):
    one = life(WORKER)
    one.hear(band_rows(1))
    one.begin()
    (job,) = one.jobs()
    (job / "job.json").write_text("[]")
    one.finish()
    assert one.value("forecast_refits_failed_total", reason="refused") == 1


def test_the_workers_steps_are_the_routes(life, tmp_path):
    one = life()
    rows = band_rows(60)
    one.hear(rows[:30])
    one.hear([*rows[33:50]])
    gap = Gap(*BAND, 49, None, None, "gain", rows[50].time_ns)
    one.loop.take(gap)
    one.hear(rows[50:])
    table = stored_steps(
        tmp_path / "store",
        *BAND,
        mask=Mask(),
        step_s=60.0,
        days=8,
        most_rows=MOST_ROWS,
        told=pytest.fail,
    )
    assert table is not None
    np.testing.assert_array_equal(table.values, np.stack([row.power_db for row in [*rows[:30], *rows[33:]]]))
    assert (table.breaks, table.changes) == ((30, 47), (47,))
    some = stored_steps(
        tmp_path / "store", *BAND, mask=Mask(), step_s=60.0, days=15 / 1440, most_rows=40, told=pytest.fail
    )
    assert some is not None
    assert (len(some.values), some.breaks, some.changes) == (15, (5,), (5,))


def test_the_newest_fits_stay_and_damaged_ones_are_refused(life):
    one = life()
    one.hear(band_rows(300))
    one.refit()
    folder = one.fits.folder(*BAND)
    (first,) = (path for path in folder.iterdir() if path.is_dir())
    fit = load_fit(first)
    for number in range(MOST_KEPT + 1):
        path = folder / f"{number}"
        path.mkdir()
        (path / "fit.state").touch()
        os.utime(path / "fit.state", (2e9 + number, 2e9 + number))
    one.fits.tidy(*BAND)
    assert sorted(path.name for path in folder.iterdir()) == [str(n) for n in range(1, MOST_KEPT + 1)]
    assert fit.key == first.name


def test_a_worker_makes_way_for_everybody_and_ends_with_its_agent(tmp_path: Path):
    os.mkfifo(tmp_path / "job.json")  # whoever reads it waits
    with subprocess.Popen([*WORKER, str(tmp_path)], stdin=subprocess.PIPE) as worker:
        try:
            wait_for(lambda: os.getpriority(os.PRIO_PROCESS, worker.pid) == 19)
            assert worker.stdin is not None
            worker.stdin.close()  # as the kernel does when the agent is killed
            assert worker.wait(60) == 1
        finally:
            worker.kill()


def test_a_job_holds_the_settings_that_the_steps_rest_on(life):
    one = life(FOR_EVER, refit_days=3)
    one.hear(band_rows(1))
    one.begin()
    (folder,) = one.jobs()
    job = read_refit_job(folder)
    assert (job.node, job.band, job.days, job.step_seconds, job.in_use) == (*BAND, 3, 60, None)
    assert json.loads((folder / "job.json").read_text())["dc_bins"] == 0


def test_replays_have_no_default_that_hangs_on_when_a_worker_was_done(bundle):
    settings = Settings()
    with Core(settings, serve=False, show=False) as core:
        routes = Routes(settings, bundle, core.telemetry, only_configured=False)
        route = routes.of(*BAND)
        assert route is not None
        for row in band_rows(30):
            route.push(row)
        assert "default" not in route.state()["contest"]["forecasters"]
