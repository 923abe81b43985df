import json
import math
import threading

import msgspec
import numpy as np
import pytest

from bandwatch.agent.outputs import Discarded, Fitted
from bandwatch.agent.row_rate import RowRate
from bandwatch.agent.status import StatusBoard
from bandwatch.tests.every_output import (
    START_NS,
    assignment,
    everything,
    forecast,
    gap,
    row,
    score,
    verdict,
)


class Clock:
    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock) -> StatusBoard:
    return StatusBoard(version="0.1.0", monotonic_seconds=clock)


def take(board, *items):
    for item in items:
        board.take(item)


def band(board, number=0):
    return board.snapshot().bands[number]


class TestRows:
    def test_the_newest_row_gives_floor_level_occupancy_and_geometry(self, board):
        take(board, row(0), row(1))
        now = band(board)
        assert (now.name, now.unit, now.bins, now.row_seconds, now.rows) == (
            "node/band",
            "dBFS/bin",
            1024,
            0.2,
            2,
        )
        assert (now.noise_floor_db, now.level_db, now.occupancy_ratio) == (-101.5, -69.0, 0.25)
        assert now.last_frame_ns == START_NS + 200_000_000

    def test_rows_a_second_are_counted_on_the_clock_not_on_the_rows_own_times(self, board, clock):
        for seq in range(100):
            clock.seconds += 0.02
            board.take(row(seq))
        assert band(board).rows_per_second == pytest.approx(50, rel=0.05)
        assert board.rows == 100
        assert board.longest_row_seconds == 0.2

    def test_the_spectrum_keeps_the_highest_bin_of_each_point(self, board):
        board.take(row(0))
        spectrum = band(board).spectrum
        assert len(spectrum.power_db) == 256
        assert spectrum.power_db[128] == -40.0
        assert sorted(set(spectrum.power_db)) == [-100.0, -40.0]
        assert spectrum.high_hz - spectrum.low_hz == pytest.approx(1023 * 187.5)

    def test_a_narrow_or_odd_width_loses_no_bin_of_the_spectrum(self, board):
        for bins in (1, 16, 255, 257, 300, 1000):
            peak = np.full(bins, -90.0, np.float32)
            peak[-1] = -10.0
            board.take(row(0, bins=bins, power_db=peak))
            points = band(board).spectrum.power_db
            assert len(points) == min(bins, 256)
            assert points[-1] == -10.0

    def test_values_that_are_not_finite_are_unknown_and_the_answer_stays_json(self, board):
        power_db = np.full(1024, np.nan, np.float32)
        board.take(row(0, power_db=power_db))
        take(board, assignment(0, 3, math.nan), verdict(0, "normal", score=math.inf))
        text = msgspec.json.encode(board.snapshot()).decode()
        now = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["bands"][0]
        assert set(now["spectrum"]["power_db"]) == {None}
        assert (now["segments"][0]["novelty"], now["segments"][0]["score"]) == (None, None)


class TestRowRate:
    def test_it_is_nought_before_the_second_row(self):
        rate = RowRate()
        assert rate.per_second(0.0) == 0.0
        rate.count(10.0)
        assert rate.per_second(12.0) == 0.0

    def test_it_forgets_what_was_more_than_ten_seconds_ago(self):
        rate = RowRate()
        for n in range(1000):
            rate.count(n * 0.01)
        for n in range(30):
            rate.count(10 + n)
        assert rate.per_second(40) == pytest.approx(1.0, rel=0.15)

    def test_rows_a_quarter_of_an_hour_apart_have_a_rate_too(self):
        rate = RowRate()
        for n in range(5):
            rate.count(900.0 * n)
        assert rate.per_second(3600.0) == pytest.approx(1 / 900)

    def test_it_sinks_while_rows_fail_to_come(self):
        rate = RowRate()
        for n in range(100):
            rate.count(n * 0.2)
        assert rate.per_second(20.0) == pytest.approx(5.0, rel=0.1)
        assert rate.per_second(60.0) < 0.1
        assert rate.per_second(600.0) < rate.per_second(60.0)

    def test_it_remembers_little_however_fast_rows_come(self):
        rate = RowRate()
        for n in range(200_000):
            rate.count(n * 1e-4)
        assert rate.per_second(20.0) == pytest.approx(10_000, rel=0.05)


class TestSegments:
    def test_each_has_its_range_cluster_novelty_and_verdict(self, board):
        take(board, row(), assignment(7, 3, 0.75), verdict(7, "novel"))
        segments = band(board).segments
        assert [segment.segment for segment in segments] == list(range(8))
        last = segments[7]
        assert (last.cluster, last.novelty, last.state, last.score) == (3, 0.75, "novel", 0.99)
        assert last.reasons == ("one reason", "another")
        assert last.high_hz - last.low_hz == pytest.approx(127 * 187.5)
        assert segments[0].low_hz == pytest.approx(868.3e6 - 1023 / 2 * 187.5)
        assert last.high_hz == pytest.approx(868.3e6 + 1023 / 2 * 187.5)
        assert (segments[0].cluster, segments[0].novelty, segments[0].state) == (None, None, "warming_up")

    def test_a_narrow_band_is_one_segment_as_wide_as_the_band(self, board):
        board.take(row(bins=64))
        (segment,) = band(board).segments
        assert segment.high_hz - segment.low_hz == pytest.approx(63 * 187.5)

    def test_a_retune_forgets_segments_and_forecast(self, board):
        take(board, row(), assignment(7, 3), verdict(7, "novel"), forecast(), row(1, center_hz=433e6))
        now = band(board)
        assert now.forecast is None
        assert {segment.state for segment in now.segments} == {"warming_up"}
        assert now.segments[7].low_hz == pytest.approx(433e6 + (1023 / 2 - 127) * 187.5)

    def test_what_comes_of_a_segment_that_is_no_more_is_passed_over(self, board):
        take(board, row(bins=256), assignment(7, 3), verdict(7, "novel"))
        assert len(band(board).segments) == 2
        assert band(board).windows == 1


class TestReadiness:
    def test_a_band_is_ready_once_its_model_is_there(self, board):
        board.take(row())
        assert not board.snapshot().ready
        board.take(Fitted("node", "band", 96, 12, "own"))
        assert board.snapshot().ready
        assert (band(board).model, band(board).clusters) == ("own", 12)

    def test_it_says_how_far_it_has_warmed_up(self, board):
        board.take(row())
        assert band(board).warming is None
        board.warming("node", "band", 40, 96)
        assert (band(board).warming.windows, band(board).warming.needed) == (40, 96)
        board.take(Fitted("node", "band", 96, 12, "own"))
        assert band(board).warming is None

    def test_a_band_too_narrow_for_windows_is_ready_at_once(self, board):
        board.take(row(bins=16))
        assert board.snapshot().ready
        assert band(board).segments == ()

    def test_one_that_must_warm_up_again_is_not_ready(self, board):
        take(board, row(), Fitted("node", "band", 0, 12, "shipped"), assignment(0, 3))
        assert board.snapshot().ready
        take(board, row(1, center_hz=433e6), assignment(0, None))
        board.warming("node", "band", 1, 96)
        assert not board.snapshot().ready
        assert band(board).model is None
        assert band(board).warming.windows == 1

    def test_without_bands_nothing_is_ready_or_healthy(self, board):
        assert (board.snapshot().ready, board.snapshot().healthy) == (False, False)

    def test_every_band_must_be_ready(self, clock):
        board = StatusBoard([("node", "band"), ("node", "other")], monotonic_seconds=clock)
        board.take(row(bins=16))
        assert [one.ready for one in board.snapshot().bands] == [True, False]
        assert not board.snapshot().ready


class TestHealth:
    def test_a_band_that_is_expected_is_unhealthy_until_its_first_row(self, clock):
        board = StatusBoard([("node", "band")], monotonic_seconds=clock)
        clock.seconds += 3
        assert (band(board).flowing, band(board).silent_seconds) == (False, 3)
        board.take(row())
        assert board.snapshot().healthy

    def test_ten_seconds_of_silence_are_allowed_and_no_more(self, board, clock):
        board.take(row())
        clock.seconds += 10.0
        assert board.snapshot().healthy
        clock.seconds += 0.1
        assert not board.snapshot().healthy
        board.take(row(1))
        assert board.snapshot().healthy

    def test_where_rows_are_long_five_of_them_are_allowed(self, board, clock):
        board.take(row(row_seconds=900))
        assert board.longest_row_seconds == 900
        clock.seconds += 4500
        assert board.snapshot().healthy
        clock.seconds += 1
        assert not board.snapshot().healthy

    def test_one_silent_band_among_others_is_enough(self, board, clock):
        take(board, row(), row(band="other"))
        clock.seconds += 11
        board.take(row(1))
        assert [(one.band, one.flowing) for one in board.snapshot().bands] == [
            ("band", True),
            ("other", False),
        ]
        assert not board.snapshot().healthy


class TestForecastAndLosses:
    def test_the_forecast_is_twelve_means_over_frequencies_with_their_interval(self, board):
        take(board, row(), forecast(), score(1, 1.0, 2.0))
        now = band(board).forecast
        assert (now.model, now.step_s, len(now.mean_db)) == ("nlinear", 60.0, 12)
        assert (now.mean_db[0], now.low_db[0], now.high_db[0]) == (-89.0, -91.0, -87.0)
        assert now.idle_below_db == -84.0
        assert now.idle_ratio[3] == pytest.approx(0.25)
        assert now.mean_db[11] == -78.0
        assert (now.recent_rmse_db, now.skill_ratio, now.coverage_ratio) == (1.0, 0.5, 0.9)
        assert band(board).forecasts == 1

    def test_before_there_are_intervals_and_scores_they_are_unknown(self, board):
        new = forecast()
        new.low[:] = math.nan
        new.high[:] = math.nan
        take(board, row(), new)
        now = band(board).forecast
        assert (now.low_db[0], now.high_db[11], now.skill_ratio) == (None, None, None)

    def test_losses_add_up_by_reason(self, board):
        take(board, gap("lost", 3), gap("lost", 4), gap("overflow", None, 4096))
        take(board, Discarded("node", "band", "lost", 8, START_NS))
        lost, overflow = band(board).losses
        assert (lost.reason, lost.gaps, lost.rows, lost.samples, lost.windows) == ("lost", 2, 7, 0, 8)
        assert (overflow.reason, overflow.gaps, overflow.rows, overflow.samples) == ("overflow", 1, 0, 4096)

    def test_queues_and_uptime(self, board, clock):
        board.queue_depth("intake", 4)
        clock.seconds += 90
        assert board.snapshot().queue_depth == {"intake": 4}
        assert board.snapshot().uptime_seconds == 90


def test_everything_at_once_and_many_askers_do_not_disturb_each_other(board):
    ended = threading.Event()
    failures = []

    def ask():
        while not ended.is_set():
            try:
                msgspec.json.encode(board.snapshot())
            except Exception as error:
                failures.append(error)
                raise

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for _ in range(5):
        take(board, *everything())
        take(board, *everything(band="other"))
    ended.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert [(one.rows, one.windows, one.forecasts) for one in board.snapshot().bands] == [(5, 120, 5)] * 2
