"""The tracked floor: right level, hardly lifted by bursts, forgotten when the receiver changes."""

import math

import numpy as np
import pytest
from scipy import stats

from bandwatch.pipeline.noise_floor import NoiseFloor, mean_level_db, row_quantile
from bandwatch.pipeline.stage import drive
from bandwatch.tests.jig import assert_is_stage, assert_lasts, gap_before, rows


def test_passes_the_jig():
    assert_is_stage(NoiseFloor, rows(50), make_gap=lambda item: gap_before(item, "retuned"))


def test_it_lasts():
    items = rows(60, bins=64)
    items = [*items[:40], gap_before(items[40]), *items[40:50], gap_before(items[50], "gain"), *items[50:]]
    assert_lasts(NoiseFloor, items, moments=[0, 1, 20, 31, 32, 33, 40, 41, 51, 52, 53, 62])


def test_floor_is_the_quantile_of_the_noise():
    levelled = drive(NoiseFloor(), rows(300, bins=1024, floor_db=-97))
    expected = -97 + stats.norm.ppf(0.3)
    assert levelled[-1].noise_floor_db == pytest.approx(expected, abs=0.05)


def test_a_burst_over_the_whole_band_for_ten_rows_hardly_lifts_the_floor():
    quiet, burst = rows(200, floor_db=-100), rows(10, floor_db=-80)
    stage = NoiseFloor()
    before = drive(stage, quiet)[-1].noise_floor_db
    after = drive(stage, burst)[-1].noise_floor_db
    assert 0 < after - before < 20 * 10 / 128 + 0.1


def test_a_quieter_band_is_followed_faster_than_a_louder_one():
    down, up = NoiseFloor(), NoiseFloor()
    drive(down, rows(100))
    drive(up, rows(100))
    fallen = -100 - drive(down, rows(32, floor_db=-110))[-1].noise_floor_db
    risen = drive(up, rows(32, floor_db=-90))[-1].noise_floor_db + 100
    assert fallen > 2 * risen


@pytest.mark.parametrize(("reason", "kept"), [("lost", True), ("overflow", True), ("gain", False)])
def test_only_a_changed_receiver_forgets_the_floor(reason, kept):
    stage = NoiseFloor()
    drive(stage, rows(100, floor_db=-100))
    louder = rows(1, floor_db=-50)
    stage.gap(gap_before(louder[0], reason))
    floor_db = stage.push(louder[0])[0].noise_floor_db
    assert (floor_db < -90) == kept


def test_occupancy_counts_bins_six_decibels_over_the_floor():
    frame = rows(1, bins=100, floor_db=-100)[0]
    loud = frame.power_db.copy()
    loud[:25] = -60
    levelled = NoiseFloor().push(rows(1, bins=100, power_db=loud)[0])
    assert levelled[0].occupancy_ratio == pytest.approx(0.25)


def test_mean_level_is_the_mean_power():
    frame = rows(1, bins=64)[0]
    expected = 10 * math.log10(np.mean(10 ** (frame.power_db.astype(float) / 10)))
    assert mean_level_db(frame) == pytest.approx(expected, abs=1e-4)
    counts = rows(1, bins=64, unit="counts")[0]
    assert mean_level_db(counts) == pytest.approx(counts.power_db.mean(), abs=1e-4)


def test_row_quantile_is_an_order_statistic():
    values = np.random.default_rng(1).permutation(101).astype(np.float32)
    assert row_quantile(values, 0.3) == 30
