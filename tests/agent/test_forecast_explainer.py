"""Forecast maps of a running agent, by workers that are real processes, over a real store."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from bandwatch.agent.core import Core
from bandwatch.agent.event_words import event_words
from bandwatch.agent.explainer import Explainer
from bandwatch.agent.fits import Fits
from bandwatch.agent.forecast_explainer import VERDICT_SECONDS, ForecastExplainer
from bandwatch.agent.forecast_map_job import ForecastMapJob, map_folder, new_map_job, read_map_job
from bandwatch.agent.forecast_map_worker import work
from bandwatch.agent.forecaster_in_use import ForecasterInUse
from bandwatch.agent.intake import DirectIntake
from bandwatch.agent.logs import open_log
from bandwatch.agent.loop import Loop
from bandwatch.agent.memory import Memory
from bandwatch.agent.routes import Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.schema import Settings
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.published import newest_of
from bandwatch.explain.published_map import read_map
from bandwatch.models.bundle import Bundle, shipped_bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.forecast_fit import save_fit
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmNetwork
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.models.step_table import StepTable
from bandwatch.models.tensor_file import read_arrays
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import NS_PER_S, PsdFrame, Verdict, read_only
from bandwatch.pipeline.journal_entries import Note

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


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped_bundle(), device="cpu", threads=1)


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


@pytest.fixture
def life(tmp_path: Path, bundle: Bundle) -> Iterator[Callable[..., Life]]:
    made: list[Life] = []

    def make(worker=AT_ONCE, **explain: float) -> Life:
        while made:
            made.pop().end()  # one agent a directory
        made.append(Life(tmp_path / "store", bundle, worker, **explain))
        return made[-1]

    yield make
    while made:
        made.pop().end()


def wait_for(ask: Callable[[], object], seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_worker_costs_one_map_and_the_next_is_published_whole_and_known_after_a_restart(life):
    one = life()
    one.hear(planted_rows(120))
    assert one.begin(299) is None
    pid = one.begin(1)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    one.finish()
    assert one.value("forecast_maps_failed_total", reason="killed") == 1
    assert one.jobs() == []
    folder = map_folder(one.folder, *BAND)
    assert newest_of(folder) is None
    one.explainer.ask_all()
    assert one.begin(0) is not None
    one.finish()
    assert one.value("forecast_maps_made_total") == 1, one.stream.getvalue()
    assert one.jobs() == []

    newest = newest_of(folder)
    assert newest is not None
    facts = json.loads((newest / "explanation.json").read_text())
    route = one.routes.of(*BAND)
    assert route is not None
    assert route.forecaster_in_use is not None
    assert facts["model"] == route.forecaster_in_use.model
    assert (facts["node"], facts["band"], facts["reason"]) == (*BAND, "request")
    assert (facts["measure"], facts["unit"], facts["rows"]) == ("occlusion", "dBm/bin", 120)
    arrays = read_arrays(newest / "arrays.safetensors")
    assert arrays["map"].shape == arrays["values"].shape == (120, 16)
    assert (arrays["by_frequency"].shape, arrays["by_step"].shape) == ((16,), (24,))
    rows = np.stack([row.power_db for row in planted_rows(120)])
    np.testing.assert_array_equal(arrays["values"], rows)
    ((band, reason, found),) = one.explainer.finished()
    assert (band, reason, found.folder) == (BAND, "request", str(newest))
    assert one.value("forecast_map_tenth_ratio") == facts["tenth_ratio"]
    assert one.value("frequency_importance_ratio", rank="1") == facts["ranges"][0]["share"]
    line = next(each for each in one.lines() if each["event"] == "forecast explained")
    assert "It is driven most by" in str(line["says"])

    again = life(FOR_EVER)
    again.hear(planted_rows(1, first=120))
    again.explainer.turn()
    assert [each["folder"] for each in again.explainer.listed()] == [str(newest)]
    assert again.value("forecast_map_tenth_ratio") == facts["tenth_ratio"]
    assert again.value("explanation_last_success_timestamp_seconds", kind="forecast") == pytest.approx(
        facts["made_ns"] / 1e9
    )


def test_the_job_has_the_forecaster_that_is_given_out_as_it_is(life):
    one = life(FOR_EVER, forecast_hours=3)
    one.hear(planted_rows(200))
    assert one.begin() is not None
    (folder,) = one.jobs()
    job = read_map_job(folder)
    assert (job.node, job.band, job.hours, job.step_seconds, job.reason) == (*BAND, 3, 60, "period")
    route = one.routes.of(*BAND)
    assert route is not None
    contest = route.state()["contest"]
    given = contest["waiting"]["forecasts"][-1]["means"]
    assert job.in_use.model in given
    assert job.in_use.model == "nlinear"  # the leader is of no use to it, its own past is
    apart = job.in_use.columns_apart(16)
    rows = np.stack([row.power_db for row in planted_rows(200)])
    np.testing.assert_allclose(apart.forecasts(rows, np.array([200]))[0], given["nlinear"], atol=1e-4)


def test_too_few_steps_are_skipped_and_tried_again_in_a_minute(life):
    one = life(EARLY)
    one.hear(planted_rows(34))
    assert work(job_of(one.folder, ForecasterInUse("repeat-last"))) is None
    assert one.begin() is not None
    one.finish()
    assert one.value("forecast_maps_skipped_total", reason="warming_up") == 1
    one.hear(planted_rows(1, first=34))
    assert work(job_of(one.folder, ForecasterInUse("repeat-last"))) is not None
    assert one.begin(59) is None
    assert one.begin(1) is not None


def test_verdicts_that_become_bad_ask_once_in_ten_minutes_and_a_band_that_waits_is_busy(life):
    one = life((sys.executable, "-c", "raise SystemExit(3)"))
    one.hear(planted_rows(40))

    def verdict(state: str, segment: int = 1) -> None:
        one.explainer.take(Verdict(*BAND, segment, 0, state, 0.5))

    def failed() -> float | None:
        return one.value("forecast_maps_failed_total", reason="error")

    verdict("normal")
    assert one.begin(0) is None
    verdict("novel")
    assert one.begin(0) is not None
    one.finish()
    verdict("novel")  # it is still
    assert one.begin(VERDICT_SECONDS - 300) is not None, "the period's first"
    one.finish()
    assert failed() == 2
    verdict("deviating")
    verdict("deviating", segment=2)
    assert one.value("forecast_maps_skipped_total", reason="busy") == 1
    assert one.begin(VERDICT_SECONDS - 1) is None
    one.explainer.take(Verdict(*BAND, 3, 0, "novel", 0.5))
    assert one.value("forecast_maps_skipped_total", reason="busy") == 2
    assert one.begin(1) is not None
    (job,) = one.jobs()
    assert read_map_job(job).reason == "deviating"
    one.finish()
    assert failed() == 3


def test_who_makes_the_file_asks_for_both_kinds(life, tmp_path):
    one = life(FOR_EVER)
    one.hear(planted_rows(40))
    of_clusters = Explainer(one.settings.explain, one.folder, one.core.telemetry)
    of_clusters.requested = one.explainer.ask_all
    (one.folder / "explain").mkdir(exist_ok=True)
    (one.folder / "explain" / "refresh").touch()
    of_clusters.turn()
    assert one.begin(0) is not None
    (job,) = one.jobs()
    assert read_map_job(job).reason == "request"


def test_a_worker_that_takes_too_long_is_ended_and_the_next_takes_half_the_windows(life):
    one = life(FOR_EVER, most_seconds=30)
    one.hear(planted_rows(40))
    for windows in (120, 60, 30, 24, 24):
        one.explainer.ask_all()
        assert one.begin(0) is not None
        (job,) = one.jobs()
        assert read_map_job(job).most_windows == windows
        one.now_seconds += 31
        wait_for(lambda: one.explainer.turn() or one.explainer.worker_pid is None)
    assert one.value("forecast_maps_failed_total", reason="timeout") == 5
    assert one.jobs() == []


def test_a_damaged_map_is_told_in_a_line_at_the_start_and_costs_nothing_else(life):
    one = life()
    one.hear(planted_rows(60))
    newest = work(job_of(one.folder, ForecasterInUse("repeat-last")))
    assert newest is not None
    (newest / "explanation.json").write_text("{}")
    again = life(FOR_EVER)
    again.hear(planted_rows(1, first=60))
    again.explainer.turn()
    assert again.explainer.listed() == []
    told = [str(line["message"]) for line in again.lines() if line["event"] == "not usable"]
    assert told == [f"{newest}/explanation.json: not a forecast map of version 1"]
    assert again.begin() is not None


def test_a_refusal_is_told_in_the_workers_words(life):
    one = life(REFUSING)
    one.hear(planted_rows(40))
    one.begin()
    (job,) = one.jobs()
    (job / "job.json").write_text("[]")  # before the worker, which has to load first
    one.finish()
    assert one.value("forecast_maps_failed_total", reason="refused") == 1
    assert "job.json: list, needs an object" in str(one.lines()[-1]["message"])


def job_of(folder: Path, in_use: ForecasterInUse) -> Path:
    job = ForecastMapJob(str(folder), *BAND, [], 0, 60.0, 24.0, 40, "request", in_use)
    return new_map_job(folder / "explain" / "forecasts", job)


@pytest.fixture
def stored(life) -> Path:
    """A store of the planted rows, whose agent has ended."""
    one = life()
    one.hear(planted_rows(400))
    one.memory.flush()
    return one.folder


def stored_table() -> StepTable:
    rows = planted_rows(400)
    return StepTable(
        node=BAND[0],
        band=BAND[1],
        unit="dBm/bin",
        step_s=60.0,
        frequencies_hz=rows[0].first_hz + 1e4 * np.arange(16),
        values=np.stack([row.power_db for row in rows]),
        end_ns=np.array([row.time_ns + row.duration_ns for row in rows]),
    )


def test_the_worker_maps_the_default_and_the_leader_is_first(stored):
    table = stored_table()
    default = train_default(ForecastProblem(table, slice(0, 16)), 0, TrainingWatch())
    fits = Fits(stored)
    squares = np.ones((4, 3))
    key = save_fit(
        fits.folder(*BAND), default, table, squares=squares, scored_until_ns=START_NS, made_ns=START_NS
    )
    published = work(job_of(stored, ForecasterInUse("default", fit=key)))
    assert published is not None
    found = read_map(published)
    assert (found.model, found.measure, found.windows, found.rows) == ("default", "occlusion", 40, 400)
    low_hz, high_hz, share = found.ranges[0]
    assert low_hz <= table.frequencies_hz[PLANTED.leader] <= high_hz
    assert share > 1.4 / 16
    with pytest.raises(BadInput, match="cannot be read"):
        work(job_of(stored, ForecasterInUse("default", fit="0123456789abcdef")))


def test_the_worker_maps_a_bundles_network_by_grad_cam_and_refuses_another_bundle(stored, tmp_path):
    torch.manual_seed(0)
    module = CnnLstmNetwork(NetworkConfig(16, 16))
    network = CnnLstm(
        frequencies_hz=stored_table().frequencies_hz,
        unit="dBm/bin",
        step_s=60.0,
        mean_db=np.full(16, -90, np.float32),
        scale_db=np.full(16, 3, np.float32),
        weights={name: each.detach().numpy() for name, each in module.state_dict().items()},
    )
    path = tmp_path / "bundle"
    write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4, models={BAND: [network]})
    hash_ = Bundle.load(path, device="cpu", threads=1).hash
    published = work(job_of(stored, ForecasterInUse("cnn-lstm", bundle=str(path), bundle_hash=hash_)))
    assert published is not None
    facts = json.loads((published / "explanation.json").read_text())
    assert (facts["measure"], facts["unit"], facts["windows"]) == ("Grad-CAM", "evidence, scaled", 377)
    assert facts["by_step"][-2:] == [0, 0]  # its convolutions never see them
    assert "the newest 2 it does not heed at all" in facts["words"]["back"]
    with pytest.raises(BadInput, match=r"its hash is \w{12} now, the agent's was ffffffffffff"):
        work(job_of(stored, ForecasterInUse("cnn-lstm", bundle=str(path), bundle_hash="f" * 64)))


def test_a_stop_ends_the_worker_and_leaves_nothing_half(life):
    one = life(FOR_EVER)
    one.hear(planted_rows(40))
    one.explainer.ask_all()
    one.explainer.start()
    wait_for(lambda: one.explainer.worker_pid is not None)
    pid = one.explainer.worker_pid
    one.explainer.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert one.jobs() == []


def test_the_event_says_in_words_what_drives_forecasts() -> None:
    facts = {
        "reason": "novel",
        "model": "default",
        "measure": "occlusion",
        "windows": 120,
        "says": "It is driven most by 868.1 MHz.",
        "folder": "/store/explain/forecasts/node/band/x",
    }
    assert event_words(Note(*BAND, 0, "forecast_explained", facts)) == (
        "what the default looks at (occlusion, 120 windows): It is driven most by 868.1 MHz. "
        "/store/explain/forecasts/node/band/x"
    )


def test_telemetry_of_fewer_ranges_shows_no_old_ones():
    core = Core(Settings(), serve=False, show=False)
    telemetry: Telemetry = core.telemetry
    for ranges in ([(868e6, 0.5), (869e6, 0.2)], [(868e6, 0.4)]):
        telemetry.forecast_map_found(*BAND, made_ns=1, tenth_ratio=None, newest_ratio=0.5, ranges=ranges)
    at = {"node": "node", "band": "band", "rank": "2"}
    assert np.isnan(core.registry.get_sample_value("bandwatch_frequency_importance_ratio", at))
