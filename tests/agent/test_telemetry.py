import io
import json
import math
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bandwatch.agent.logs import open_log
from bandwatch.agent.metric_table import (
    LABELS_ALLOWED,
    METRICS,
    MOST_CLUSTERS,
    MOST_SEGMENTS,
    MOST_SERIES_A_BAND,
    metrics_page,
)
from bandwatch.agent.outputs import Discarded, Fitted
from bandwatch.agent.recent_scores import RecentScores
from bandwatch.agent.telemetry import Telemetry
from bandwatch.tests.every_output import (
    SECOND,
    START_NS,
    assignment,
    change,
    deviation,
    everything,
    feed,
    forecast,
    frame,
    gap,
    row,
    score,
    verdict,
)

ROOT = Path(__file__).parents[2]


class Bench:
    """A Telemetry, its registry, its log lines and a clock moved by hand."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stream = io.StringIO()
        self.now_seconds = 1000.0
        self.telemetry = Telemetry(
            self.registry, open_log("debug", "json", self.stream), monotonic_seconds=lambda: self.now_seconds
        )

    def value(self, name: str, **labels: object) -> float | None:
        at = {"node": "node", "band": "band"} | {key: str(value) for key, value in labels.items()}
        return self.registry.get_sample_value(f"bandwatch_{name}", at)

    def take(self, *items: object) -> None:
        for item in items:
            self.telemetry.take(item)  # pyright: ignore[reportArgumentType]

    def lines(self, event: str | None = None) -> list[dict]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def families(registry: CollectorRegistry) -> dict:
    text = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


class TestTable:
    def test_every_metric_of_the_table_is_fed_and_no_other_is_exported(self, bench):
        feed(bench.telemetry, everything())
        exported = {name: family for name, family in families(bench.registry).items() if family.samples}
        assert set(exported) == {metric.full_name.removesuffix("_total") for metric in METRICS}

    def test_series_carry_exactly_the_labels_the_table_gives_them(self, bench):
        feed(bench.telemetry, everything())
        exported = families(bench.registry)
        for metric in METRICS:
            for sample in exported[metric.full_name.removesuffix("_total")].samples:
                assert set(sample.labels) - {"le"} == set(metric.labels), metric.name

    def test_labels_are_only_those_agreed_and_never_segment_by_cluster(self):
        for metric in METRICS:
            assert set(metric.labels) <= LABELS_ALLOWED
            assert not {"segment", "cluster"} <= set(metric.labels)

    def test_names_end_in_their_unit_or_total(self):
        for metric in METRICS:
            assert metric.name.endswith("_total") == (metric.kind == "counter")
            assert metric.about.endswith((".", "NaN while warming up.")), metric.name

    def test_the_page_in_docs_is_the_one_made_from_the_table(self):
        assert (ROOT / "docs" / "metrics.md").read_text() == metrics_page(), (
            "run: python -m bandwatch.agent.metric_table > docs/metrics.md"
        )

    def test_the_page_names_every_metric(self):
        assert all(f"`{metric.full_name}`" in metrics_page() for metric in METRICS)


class TestBounds:
    @staticmethod
    def series(registry: CollectorRegistry) -> int:
        return sum(
            sample.labels.get("band") == "band"
            for family in families(registry).values()
            for sample in family.samples
        )

    def test_a_band_of_1024_bins_8_segments_24_clusters_and_12_horizons_stays_in_bounds(self, bench):
        feed(bench.telemetry, everything(segments=8, clusters=24))
        assert 200 < self.series(bench.registry) <= MOST_SERIES_A_BAND

    def test_so_does_the_widest_band_there_can_be(self, bench):
        feed(bench.telemetry, everything(bins=65_536, segments=512, clusters=300))
        assert self.series(bench.registry) <= MOST_SERIES_A_BAND
        assert bench.value("novelty_ratio", segment=MOST_SEGMENTS - 1) == 0.5
        assert bench.value("novelty_ratio", segment=MOST_SEGMENTS) is None
        assert bench.value("cluster_windows_total", cluster=MOST_CLUSTERS) is None
        assert bench.value("windows_total") == 512

    def test_months_of_new_models_do_not_add_series(self, bench):
        for n in range(50):
            bench.take(Fitted("node", "band", 96, 5 + n % 7, f"model-{n}"), forecast(f"forecaster-{n}"))
            bench.telemetry.bundle_loaded(f"bundle-{n}", "somewhere", "cpu")
        info = families(bench.registry)["bandwatch_model_info"].samples
        assert sorted((sample.labels["kind"], sample.labels["model"]) for sample in info) == [
            ("activity", "model-49"),
            ("encoder", "bundle-49"),
            ("forecast", "forecaster-49"),
        ]
        clusters = families(bench.registry)["bandwatch_cluster_windows"].samples
        assert len(clusters) == 5 + 49 % 7


class TestMetrics:
    def test_a_row_sets_floor_level_occupancy_and_time(self, bench):
        bench.take(row(3))
        assert bench.value("noise_floor_db") == -101.5
        assert bench.value("input_level_dbfs") == -69.0
        assert bench.value("occupancy_ratio") == 0.25
        assert bench.value("last_frame_timestamp_seconds") == pytest.approx(1_800_000_000.6)

    def test_there_is_no_input_level_in_dbfs_of_a_calibrated_band(self, bench):
        bench.take(row(unit="dBm/bin"))
        assert bench.value("input_level_dbfs") is None
        assert bench.value("noise_floor_db") == -101.5

    def test_a_gap_counts_rows_and_samples_by_reason(self, bench):
        bench.take(gap("lost", 3), gap("lost", 4), gap("overflow", None, 4096))
        assert bench.value("frames_lost_total", reason="lost") == 7
        assert bench.value("gaps_total", reason="lost") == 2
        assert bench.value("samples_lost_total", reason="overflow") == 4096

    def test_a_gap_of_unknown_size_counts_as_a_gap_and_as_no_row(self, bench):
        bench.take(gap("restart", None))
        assert bench.value("gaps_total", reason="restart") == 1
        assert bench.value("frames_lost_total", reason="restart") == 0

    def test_losses_begin_at_nought_so_that_a_rate_sees_the_first(self, bench):
        bench.telemetry.frames_received("node", "band", 5)
        assert bench.value("frames_received_total") == 5
        for name in ("frames_lost_total", "samples_lost_total", "gaps_total", "windows_discarded_total"):
            assert bench.value(name, reason="overflow") == 0

    def test_discarded_windows_count_by_reason(self, bench):
        bench.take(Discarded("node", "band", "too_few_bins", 2, START_NS))
        assert bench.value("windows_discarded_total", reason="too_few_bins") == 2

    def test_windows_count_whether_they_have_a_cluster_or_not(self, bench):
        bench.take(assignment(0, None), assignment(0, 4, 0.75), assignment(1, 4))
        assert bench.value("windows_total") == 3
        assert bench.value("cluster_windows_total", cluster=4) == 2
        assert bench.value("cluster", segment=0) == 4
        assert bench.value("novelty_ratio", segment=0) == 0.75

    def test_while_warming_up_cluster_and_novelty_are_not_a_number(self, bench):
        bench.take(assignment(0, None))
        assert math.isnan(bench.value("cluster", segment=0))
        assert math.isnan(bench.value("novelty_ratio", segment=0))

    def test_a_new_model_starts_its_clusters_at_nought(self, bench):
        bench.take(Fitted("node", "band", 96, 3, "one"), assignment(0, 2))
        assert bench.value("cluster_windows_total", cluster=2) == 1
        bench.take(Fitted("node", "band", 96, 2, "two"))
        assert bench.value("cluster_windows_total", cluster=1) == 0
        assert bench.value("cluster_windows_total", cluster=2) is None

    def test_exactly_one_state_of_a_segment_is_1(self, bench):
        states = ("warming_up", "normal", "novel", "deviating")
        for now in states:
            bench.take(verdict(2, now))
            assert [bench.value("verdict", segment=2, state=state) for state in states] == [
                float(state == now) for state in states
            ]

    def test_a_retuned_band_takes_its_old_segments_and_forecast_away(self, bench):
        bench.take(row(), assignment(7, 1), verdict(7, "novel"), forecast())
        bench.take(row(1, bins=256))
        assert bench.value("verdict", segment=7, state="novel") is None
        assert bench.value("cluster", segment=7) is None
        assert bench.value("band_forecast_db", horizon=1) is None
        bench.take(verdict(1, "normal"))
        assert bench.value("verdict", segment=1, state="normal") == 1

    def test_a_band_moved_to_another_centre_is_another_band(self, bench):
        bench.take(row(), verdict(0, "novel"), row(1, center_hz=433e6))
        assert bench.value("verdict", segment=0, state="novel") is None

    def test_the_forecast_is_the_mean_over_frequencies_of_each_step(self, bench):
        bench.take(forecast(mean_db=-90.0))
        assert bench.value("band_forecast_db", horizon=1) == -89.0
        assert bench.value("band_forecast_db", horizon=12) == -78.0
        assert bench.value("idle_probability_ratio", horizon=4) == pytest.approx(0.25)

    def test_frequencies_without_a_forecast_count_nowhere(self, bench):
        holed = forecast(mean_db=-90.0)
        holed.mean[0, :2] = math.nan
        holed.mean[1, :] = math.inf
        bench.take(holed)
        assert bench.value("band_forecast_db", horizon=1) == -89.0
        assert math.isnan(bench.value("band_forecast_db", horizon=2))

    def test_scores_give_error_skill_and_coverage(self, bench):
        bench.take(score(1, 3.0, 5.0), score(1, 4.0, 5.0), score(12, 5.0, 5.0, coverage_ratio=0.6))
        assert bench.value("forecast_rmse_db", horizon=1) == pytest.approx(math.sqrt(12.5))
        assert bench.value("forecast_rmse_db", horizon=12) == 5.0
        assert bench.value("forecast_skill_ratio") == pytest.approx(1 - math.sqrt(50 / 3) / 5)
        assert bench.value("forecast_coverage_ratio") == pytest.approx(0.8)
        assert bench.value("forecast_abs_error_db_count", horizon=1) == 2
        assert bench.value("forecast_abs_error_db_bucket", horizon=1, le="1.0") == 2

    def test_a_score_that_is_not_a_number_changes_nothing(self, bench):
        bench.take(score(1, 3.0, 5.0), score(1, math.inf, 5.0, mae_db=math.inf))
        assert bench.value("forecast_rmse_db", horizon=1) == 3.0
        assert bench.value("forecast_abs_error_db_count", horizon=1) == 1

    def test_latency_stage_time_and_queue_depth(self, bench):
        bench.telemetry.latency("node", "band", 0.3)
        bench.telemetry.stage_timed("embed", 0.002)
        bench.telemetry.stage_timed("embed", 0.002)
        bench.telemetry.queue_depth("intake", 17)
        assert bench.value("frame_latency_seconds_bucket", le="0.5") == 1
        assert bench.value("frame_latency_seconds_bucket", le="0.25") == 0
        get = bench.registry.get_sample_value
        assert get("bandwatch_stage_duration_seconds_count", {"stage": "embed"}) == 2
        assert get("bandwatch_queue_depth", {"stage": "intake"}) == 17

    def test_build_and_model_say_what_runs(self, bench):
        bench.telemetry.started("1.2.3")
        bench.telemetry.bundle_loaded("0123456789ab", "somewhere", "cpu")
        get = bench.registry.get_sample_value
        assert get("bandwatch_build_info", {"kind": "bandwatch", "model": "1.2.3"}) == 1
        encoder = {"node": "", "band": "", "kind": "encoder", "model": "0123456789ab"}
        assert get("bandwatch_model_info", encoder) == 1

    def test_threads_do_not_lose_counts(self, bench):
        def count():
            for _ in range(500):
                bench.telemetry.frames_received("node", "band", 1)
                bench.telemetry.decode_error("version", "version 9")

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bench.value("frames_received_total") == 2000
        assert bench.registry.get_sample_value("bandwatch_decode_errors_total", {"reason": "version"}) == 2000


class TestLines:
    def test_a_gap_is_a_warning_with_its_reason_and_time(self, bench):
        bench.take(gap("overflow", None, 4096))
        (line,) = bench.lines()
        assert (line["event"], line["level"]) == ("gap", "warning")
        assert (line["reason"], line["lost_rows"], line["lost_samples"]) == ("overflow", None, 4096)
        assert line["at"] == "2027-01-15T08:00:00.000+00:00"

    def test_rows_and_windows_say_nothing(self, bench):
        bench.take(row(), assignment(0, 1), score(), Discarded("node", "band", "lost", 1, START_NS))
        assert bench.lines() == []

    def test_of_one_reason_one_line_in_five_seconds_and_the_next_counts_those_between(self, bench):
        for _ in range(10):
            bench.take(gap("lost"))
        bench.take(gap("overflow"))
        assert [line["reason"] for line in bench.lines()] == ["lost", "overflow"]
        bench.now_seconds += 5.0
        bench.take(gap("lost"))
        assert bench.lines()[-1]["held_back"] == 9
        assert bench.value("gaps_total", reason="lost") == 11

    def test_the_last_line_counts_what_was_never_told(self, bench):
        for _ in range(4):
            bench.telemetry.decode_error("version", "version 9, this reads 1")
        bench.telemetry.stopped("asked to")
        assert bench.lines("stopped") == [bench.lines()[-1]]
        assert (bench.lines()[-1]["reason"], bench.lines()[-1]["lines_held_back"]) == ("asked to", 3)

    def test_a_refused_message_is_quoted(self, bench):
        bench.telemetry.decode_error("version", "version 9, this reads 1")
        (line,) = bench.lines("message refused")
        assert (line["reason"], line["message"]) == ("version", "version 9, this reads 1")

    def test_of_unusable_input_lines_that_differ_in_numbers_are_of_one_kind(self, bench):
        for n in range(5):
            bench.telemetry.bad_input(f"row {n} has {n + 7} bins, must have 1024")
        bench.telemetry.bad_input("bundle refused; the band warms up its own")
        assert len(bench.lines("not usable")) == 2

    def test_a_change_to_novel_and_back_is_told_with_reasons_and_others_are_not(self, bench):
        bench.take(verdict(0, "warming_up"), verdict(0, "normal", score=math.nan))
        assert bench.lines() == []
        bench.take(verdict(0, "novel"))
        bench.take(verdict(0, "novel"))
        bench.now_seconds += 60
        bench.take(verdict(0, "normal", score=math.nan))
        away, back = bench.lines("verdict changed")
        assert (away["level"], away["was"], away["state"]) == ("warning", "normal", "novel")
        assert away["reasons"] == "one reason; another"
        assert (back["level"], back["was"], back["score"]) == ("info", "novel", None)

    def test_a_switch_of_forecaster_is_told_once(self, bench):
        for model in ("repeat-last", "repeat-last", "nlinear", "nlinear"):
            bench.now_seconds += 60
            bench.take(forecast(model))
        bench.take(change("nlinear", "repeat-last"))
        assert [line["model"] for line in bench.lines("forecaster chosen")] == ["repeat-last"]
        assert [(line["was"], line["model"]) for line in bench.lines("forecaster switched")] == [
            ("repeat-last", "nlinear")
        ]
        (line,) = bench.lines("forecaster switched")
        assert (line["rmse_db"], line["was_rmse_db"], line["steps"]) == (1.25, 1.5, 96)
        assert bench.value("forecaster_changes_total") == 1

    def test_a_deviation_is_counted_once_as_it_begins(self, bench):
        bench.take(deviation(), deviation(ended_ns=START_NS + 60 * SECOND))
        assert bench.value("deviations_total") == 1

    def test_models_are_told_fitted_or_loaded(self, bench):
        bench.take(Fitted("node", "band", 0, 12, "shipped"), Fitted("node", "band", 96, 9, "own"))
        assert [line["model"] for line in bench.lines("band model loaded")] == ["shipped"]
        assert [line["clusters"] for line in bench.lines("band model fitted")] == [9]


class TestRecentScores:
    def test_nothing_is_known_before_the_first(self):
        scores = RecentScores()
        assert all(math.isnan(value) for value in (scores.rmse_db(1), scores.rmse_db(), scores.skill_ratio()))
        assert math.isnan(scores.coverage_ratio())

    def test_only_the_last_60_of_a_horizon_count(self):
        scores = RecentScores()
        for _ in range(100):
            scores.add(score(1, 100.0))
        for _ in range(60):
            scores.add(score(1, 2.0))
        assert scores.rmse_db(1) == pytest.approx(2.0)

    def test_without_intervals_there_is_no_coverage_and_against_perfection_no_skill(self):
        scores = RecentScores()
        scores.add(score(1, 1.0, 0.0, coverage_ratio=math.nan))
        assert math.isnan(scores.coverage_ratio())
        assert math.isnan(scores.skill_ratio())


def test_an_unexpected_output_is_an_error_and_not_passed_over(bench):
    with pytest.raises(KeyError):
        bench.take(frame())
