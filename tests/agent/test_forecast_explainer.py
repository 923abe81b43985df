"""Forecast maps of a running agent, by workers that are real processes, over a real store."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.core import Core
from bandwatch.agent.event_words import event_words
from bandwatch.agent.explainer import Explainer
from bandwatch.agent.forecast_explainer import VERDICT_SECONDS
from bandwatch.agent.forecast_map_job import map_folder, read_map_job
from bandwatch.agent.forecast_map_worker import work
from bandwatch.agent.forecaster_in_use import ForecasterInUse
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.schema import Settings
from bandwatch.explain.published import newest_of
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.tensor_file import read_arrays
from bandwatch.pipeline.frames import Verdict
from bandwatch.pipeline.journal_entries import Note
from bandwatch.tests.agent.mapped_lives import (
    AT_ONCE,
    BAND,
    EARLY,
    FOR_EVER,
    REFUSING,
    Life,
    job_of,
    planted_rows,
    wait_for,
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped_bundle(), device="cpu", threads=1)


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
    one = life((sys.executable, "-c", "raise SystemExit(4)"))
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
