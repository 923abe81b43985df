"""The simulated band: what it repeats, how its noise scatters, and that its truth is true."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import digamma, polygamma

from bandwatch.pipeline.arrivals import Periodic, Poisson, Stretch
from bandwatch.pipeline.averaged_spectra import AveragedSpectra
from bandwatch.pipeline.emitters import FskTelemetry
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.patches import Patch, Raster, paint
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.varied_scene import varied_scene
from bandwatch.tests.jig import SECOND

DB = 10 / math.log(10)
SILENT = Scene(roll_off_db=0.0, dc_line_db=0.0, emitters=())


def noise_mean_db(scene: Scene) -> float:
    k = scene.averaged_spectra
    return scene.noise_floor_db + DB * (float(digamma(k)) - math.log(k))


def noise_std_db(scene: Scene) -> float:
    return DB * math.sqrt(float(polygamma(1, scene.averaged_spectra)))


class TestRepeating:
    @pytest.mark.parametrize("sizes", [(1,) * 20, (255, 1, 1, 300), (256, 256), (700,), (0, 513, 87)])
    def test_the_size_asked_for_never_changes_a_row(self, sizes):
        whole = Simulator(5).block(sum(sizes))
        other = Simulator(5)
        pieces = np.concatenate([other.block(size) for size in sizes])
        assert pieces.tobytes() == whole.tobytes()
        assert other.truth == simulator_after(5, sum(sizes)).truth

    def test_frames_are_the_rows_of_the_block(self):
        frames = list(itertools.islice(Simulator(5), 600))
        assert np.stack([frame.power_db for frame in frames]).tobytes() == Simulator(5).block(600).tobytes()

    def test_frames_and_blocks_may_be_mixed(self):
        simulator = Simulator(5)
        before = simulator.block(250)
        frames = list(itertools.islice(simulator.frames(), 10))
        after = simulator.block(20)
        rows = np.concatenate([before, [frame.power_db for frame in frames], after])
        assert [frame.seq for frame in frames] == list(range(250, 260))
        assert rows.tobytes() == Simulator(5).block(280).tobytes()

    def test_a_block_handed_out_is_the_callers_own(self):
        simulator = Simulator(5)
        simulator.block(100)[:] = 0
        assert simulator.block(100).tobytes() == Simulator(5).block(200)[100:].tobytes()

    def test_two_seeds_share_neither_noise_nor_emissions(self):
        one, other = Simulator(1), Simulator(2)
        assert abs(np.corrcoef(one.block(600)[:256, 0], other.block(600)[:256, 0])[0, 1]) < 0.25
        assert {e.start_ns for e in one.truth}.isdisjoint(e.start_ns for e in other.truth)


def simulator_after(seed: int, rows: int) -> Simulator:
    simulator = Simulator(seed)
    simulator.block(rows)
    return simulator


class TestFrames:
    def test_carry_exact_times_and_the_bands_geometry(self):
        start_ns = 1_700_000_000 * SECOND + 1
        simulator = Simulator(0, node="n", band="b", start_ns=start_ns, stream=9)
        frames = list(itertools.islice(simulator.frames(), 300))
        assert [frame.seq for frame in frames] == list(range(300))
        assert [frame.time_ns for frame in frames] == [start_ns + 200_000_000 * n for n in range(300)]
        frame = frames[-1]
        assert (frame.node, frame.band, frame.stream, frame.unit) == ("n", "b", 9, "dBFS/bin")
        assert (frame.duration_ns, frame.bins, frame.bin_hz) == (200_000_000, 1024, 187.5)
        assert frame.center_hz == 868.296e6
        assert frame.first_hz == pytest.approx(868.2e6, abs=187.5)

    def test_rows_are_read_only_float32(self):
        frame = next(Simulator(0).frames())
        assert frame.power_db.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            frame.power_db[0] = 0

    def test_a_row_kept_keeps_no_other_row_alive(self):
        assert next(Simulator(0).frames()).power_db.base is None


class TestNoise:
    @pytest.mark.parametrize("averaged_spectra", [1.0, 2.5, 19.0, 200.0])
    def test_mean_and_std_in_db_are_those_of_a_chi_square_average(self, averaged_spectra):
        scene = replace(SILENT, averaged_spectra=averaged_spectra)
        rows = Simulator(1, scene=scene).block(1024).astype(float)
        error = noise_std_db(scene) / math.sqrt(rows.size)
        assert rows.mean() == pytest.approx(noise_mean_db(scene), abs=5 * error)
        assert rows.std() == pytest.approx(noise_std_db(scene), rel=0.01)

    def test_default_noise_scatters_by_one_db_around_minus_110(self):
        assert noise_std_db(Scene()) == pytest.approx(1.0, abs=0.02)
        assert noise_mean_db(Scene()) == pytest.approx(-110, abs=0.2)

    def test_bins_and_rows_are_independent_unless_asked(self):
        rows = Simulator(1, scene=SILENT).block(1024).astype(float)
        rows -= rows.mean()
        assert abs((rows[:, 1:] * rows[:, :-1]).mean() / rows.var()) < 0.006
        assert abs((rows[1:] * rows[:-1]).mean() / rows.var()) < 0.006

    @pytest.mark.parametrize(("count", "correlation"), [(19.0, 0.44), (2.0, 0.2), (5.0, 0.6)])
    def test_correlated_bins_keep_mean_and_variance_of_the_power(self, count, correlation):
        scatter = AveragedSpectra(count, correlation).draw((2000, 512), np.random.default_rng(0))
        centred = scatter.astype(float) - 1
        assert scatter.dtype == np.float32
        assert scatter.shape == (2000, 512)
        assert centred.mean() == pytest.approx(0, abs=0.005)
        assert centred.var() == pytest.approx(1 / count, rel=0.02)
        neighbours = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
        assert neighbours == pytest.approx(correlation, abs=0.01)

    def test_roll_off_is_a_half_cosine_at_both_ends(self):
        scene = replace(SILENT, roll_off_db=2.6, averaged_spectra=1000.0)
        level_db = Simulator(1, scene=scene).block(512).mean(0) - noise_mean_db(scene)
        assert level_db[[0, -1]] == pytest.approx([-2.6, -2.6], abs=0.05)
        assert level_db[[63, -64]] == pytest.approx([-1.3, -1.3], abs=0.05)
        assert np.abs(level_db[128:-128]).max() < 0.05

    def test_dc_line_stands_in_the_middle_bins(self):
        scene = replace(SILENT, bins=1025, dc_line_db=3.0, averaged_spectra=1000.0)
        level_db = Simulator(1, scene=scene).block(512).mean(0) - noise_mean_db(scene)
        assert level_db[512] == pytest.approx(3.0, abs=0.05)
        assert np.abs(np.delete(level_db, [511, 512, 513])).max() < 0.05

    def test_values_step_where_the_receiver_rounds(self):
        rows = Simulator(1, scene=replace(SILENT, resolution_db=0.5)).block(10)
        assert np.array_equal(rows * 2, np.round(rows * 2))
        assert len(np.unique(rows)) > 5

    def test_no_bin_is_infinite_even_with_the_wildest_scatter(self):
        rows = Simulator(1, scene=replace(SILENT, averaged_spectra=0.01)).block(256)
        assert np.isfinite(rows).all()


class TestTruth:
    def test_a_box_holds_its_power_and_outside_all_boxes_there_is_only_noise(self):
        scene = replace(Scene(), dc_line_db=0.0)
        simulator = Simulator(11, scene=scene)
        rows = simulator.block(4096).astype(float) - scene.receiver_db()
        row_ns = scene.duration_ns
        outside = np.ones(rows.shape, bool)
        kinds = set()
        for emission in simulator.truth:
            first = (emission.start_ns - simulator.start_ns) // row_ns
            last = -((simulator.start_ns - emission.end_ns) // row_ns)
            low = (emission.low_hz - scene.raster.first_hz) / scene.bin_hz
            high = (emission.high_hz - scene.raster.first_hz) / scene.bin_hz
            box = slice(first, last), slice(max(0, math.floor(low - 2)), math.ceil(high + 2) + 1)
            outside[box] = False
            if last <= len(rows):
                kinds.add(emission.kind)
                inside = 10 ** ((rows[box] - scene.noise_floor_db) / 10)
                error = math.sqrt(1 / (inside.size * scene.averaged_spectra))
                assert inside.mean() > 1 + 2 * error, emission
        assert len(kinds) == 7
        noise = rows[outside]
        assert noise.size > 0.2 * rows.size
        assert noise.mean() == pytest.approx(noise_mean_db(scene), abs=0.005)
        assert noise.std() == pytest.approx(noise_std_db(scene), rel=0.005)

    def test_tells_what_has_begun_and_nothing_of_the_future(self):
        simulator = Simulator(11)
        seen = []
        for frame in itertools.islice(simulator.frames(), 1500):
            assert all(emission.start_ns < frame.end_ns for emission in simulator.truth)
            seen.append(len(simulator.truth))
        starts = [emission.start_ns for emission in simulator.truth]
        assert starts == sorted(starts)
        assert seen == sorted(seen)
        assert len(set(seen)) > 20

    def test_drained_piece_by_piece_is_the_whole_truth(self):
        simulator, drained = Simulator(11), []
        for _ in range(40):
            simulator.block(50)
            drained += simulator.drain_truth()
            assert simulator.truth == []
        assert drained == simulator_after(11, 2000).truth

    def test_an_endless_band_remembers_a_bounded_truth(self):
        simulator = Simulator(11, truth_kept=10)
        simulator.block(6 * 256 + 1)
        everything = simulator_after(11, 6 * 256 + 1).truth
        assert simulator.truth == everything[-len(simulator.truth) :]
        assert 10 <= len(simulator.truth) < len(everything) / 2

    def test_an_emission_goes_on_across_chunks(self):
        scene = replace(
            SILENT,
            averaged_spectra=1e4,
            emitters=(FskTelemetry(Periodic(1e6, 0, 50.05), 868.3e6, 2e3, 3e3, (60.0, 60.0), (20.0, 20.0)),),
        )
        above = Simulator(0, scene=scene).block(600).max(1) > scene.noise_floor_db + 10
        assert np.flatnonzero(above).tolist() == list(range(250, 551))[: above.sum()]
        assert above.sum() in (300, 301)


class TestArrivals:
    def test_periodic_starts_come_once_each_whatever_the_stretches(self):
        arrivals = Periodic(7.0, 0.0, 3.0)
        random = np.random.default_rng(0)
        borders = [0.0, 2.9, 3.0, 10.0, 10.1, 51.2, 102.4]
        starts = [
            start
            for a, b in itertools.pairwise(borders)
            for start in arrivals.starts(Stretch(a, b, 0), random)
        ]
        assert starts == [3.0 + 7 * n for n in range(15)]

    def test_jitter_is_late_never_early(self):
        starts = Periodic(10.0, 2.0).starts(Stretch(0, 10_000, 0), np.random.default_rng(0))
        late = np.array(starts) - 10 * np.arange(1000)
        assert late.min() >= 0
        assert late.max() <= 2
        assert late.mean() == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize(("hour", "per_hour"), [(13, 150), (1, 50), (7, 100)])
    def test_random_arrivals_follow_the_day(self, hour, per_hour):
        stretch = Stretch(0, 36_000, hour * 3600)
        starts = Poisson(100, 0.5, 13).starts(stretch, np.random.default_rng(0))
        assert len(starts) / 10 == pytest.approx(per_hour, abs=5 * math.sqrt(per_hour / 10))
        assert starts == sorted(starts)


class TestPaint:
    RASTER = Raster(first_hz=0.0, bin_hz=10.0, row_seconds=1.0)

    def painted(self, patch: Patch, rows: int = 4, first_row: int = 0) -> np.ndarray:
        power = np.zeros((rows, 101), np.float32)
        paint(power, patch, self.RASTER, first_row)
        return power

    def test_a_row_covered_in_part_gets_that_part(self):
        power = self.painted(Patch(0.75, 2.5, 500, 400, 20, 10.0))
        assert power[:, 50] == pytest.approx([2.5, 10, 5, 0])

    def test_a_tone_falls_by_6_db_one_bin_away_and_to_nothing_two_away(self):
        power = self.painted(Patch(0, 1, 500, 0, 0, 0.0))[0]
        assert power[48:53] == pytest.approx([0, 0.25, 1, 0.25, 0], abs=1e-6)

    def test_total_power_is_that_of_the_raised_cosine(self):
        power = self.painted(Patch(0, 1, 503, 300, 60, 0.0))[0]
        assert power.sum() == pytest.approx((300 - 60) / 10 + 1.5, rel=1e-3)

    @pytest.mark.parametrize("patch", [
        Patch(9, 10, 500, 400, 20, 0), Patch(-3, -1, 500, 400, 20, 0), Patch(0, 2, 5000, 400, 20, 0),
        Patch(0, 2, -5000, 400, 20, 0), Patch(1, 1, 500, 400, 20, 0),
    ])  # fmt: skip
    def test_what_lies_elsewhere_adds_nothing(self, patch):
        assert not self.painted(patch).any()

    def test_a_chirp_passes_some_bins_once_more_in_a_row_of_two_and_a_half_sweeps(self):
        power = self.painted(Patch(0, 2, 500, 800, 0, 0.0, sweep_seconds=0.4), rows=2)
        lower, upper = power[:, 15:48], power[:, 53:86]
        assert np.allclose(lower, [[3 * 0.4], [2 * 0.4]])
        assert np.allclose(upper, [[2 * 0.4], [3 * 0.4]])


class TestVaried:
    def test_a_seed_is_a_band(self):
        assert varied_scene(3) == varied_scene(3)
        assert varied_scene(3) != varied_scene(4)
        assert Simulator.varied(3).block(300).tobytes() == Simulator.varied(3).block(300).tobytes()

    def test_bands_differ_in_geometry_noise_receiver_and_emitters(self):
        scenes = [varied_scene(seed) for seed in range(300)]
        std_db = np.array([noise_std_db(scene) for scene in scenes])
        assert std_db.min() < 0.4
        assert std_db.max() > 3.5
        assert 0.28 < std_db.min() <= std_db.max() < 4.2
        assert {scene.bins for scene in scenes} == {256, 512, 1024, 2048}
        assert {emitter.kind for scene in scenes for emitter in scene.emitters} == {
            emitter.kind for emitter in Scene().emitters
        }
        assert {len(scene.emitters) for scene in scenes} == set(range(13))
        for name in ("roll_off_db", "dc_line_db", "bin_correlation", "resolution_db"):
            values = [getattr(scene, name) for scene in scenes]
            assert min(values) == 0 < max(values)

    def test_every_band_gives_finite_rows_and_truth_that_touches_the_band(self):
        for seed in range(60):
            simulator = Simulator.varied(seed)
            scene = simulator.scene
            assert np.isfinite(simulator.block(300)).all()
            half_hz = scene.bins * scene.bin_hz / 2
            for emission in simulator.truth:
                assert emission.low_hz < scene.center_hz + half_hz
                assert emission.high_hz > scene.center_hz - half_hz
                assert emission.start_ns < emission.end_ns


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Simulator(-1), "simulator: seed is -1, it must be at least 0"),
        (lambda: Simulator.varied(-2), "simulator: seed is -2, it must be at least 0"),
        (lambda: Scene(bins=0), "scene: bins is 0, it must be a number above 0"),
        (lambda: Scene(bin_hz=math.nan), "scene: bin_hz is nan, it must be a number above 0"),
        (lambda: Scene(rows_per_second=2e9), "scene: rows_per_second is 2000000000.0, at most 1000000000"),
        (lambda: Scene(noise_floor_db=math.inf), "scene: noise_floor_db is inf, it must be finite"),
        (lambda: Scene(dc_line_db=-1.0), "scene: dc_line_db is -1.0, it must be in 0..100"),
        (lambda: Scene(roll_off_share=0.6), "scene: roll_off_share is 0.6, it must be in 0..0.5"),
        (lambda: Scene(bin_correlation=math.nan), "scene: bin_correlation is nan, it must be in 0..0.6"),
        (lambda: Poisson(-1), "arrivals: per_hour is -1, it must be a number of at least 0"),
        (lambda: Poisson(1, 2), "arrivals: daily_swing_ratio is 2, it must be in 0..1"),
        (lambda: Periodic(0), "arrivals: period_seconds is 0, it must be above 0"),
        (lambda: Periodic(1, math.inf), "arrivals: jitter_seconds is inf, it must be a number of at least 0"),
    ],
)
def test_the_impossible_is_refused_by_name(make, message):
    with pytest.raises(BadInput) as refused:
        make()
    assert str(refused.value).startswith(message)
