"""The named scenes: the default never changes, the calibrated one has a real recording's texture."""

import importlib.util
import math
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import bandwatch
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.gain_drift import GainDrift
from bandwatch.pipeline.named_scenes import BANDS, scene_named
from bandwatch.pipeline.patches import half_sine_spectrum
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import START_2026_NS, Simulator
from bandwatch.tests.recorded import real

DAY = 86_400.0


class TestDefault:
    def test_is_the_band_that_the_shipped_model_was_fitted_on(self):
        rows = Simulator(7, scene=scene_named("default", 7)).block(2000)
        assert rows[0, :3] == pytest.approx([-113.84734, -113.449905, -112.136505], abs=1e-4)
        assert rows[1999, 500:503] == pytest.approx([-108.60961, -109.65188, -109.02772], abs=1e-4)
        assert scene_named("default", 1) == scene_named("default", 2) == Scene()

    def test_a_varied_scene_is_that_of_its_seed(self):
        rows = Simulator(3, scene=scene_named("varied", 3)).block(40)
        assert rows.tobytes() == Simulator.varied(3).block(40).tobytes()


def test_another_name_is_refused_with_those_there_are():
    with pytest.raises(BadInput) as refused:
        scene_named("town", 0)
    assert (
        str(refused.value)
        == "scene: 'town' is not known, there are default, logatec, wide, varied, broad, strange"
    )


@pytest.mark.parametrize("name", ["logatec", "wide"])
def test_every_kind_is_heard_within_hours(name):
    simulator = Simulator(1, scene=scene_named(name, 1))
    scene = simulator.scene
    kinds = set()
    for chunk in range(60):
        kinds |= {each.kind for each in simulator._schedule.transmissions(chunk)}
    assert kinds == {emitter.kind for emitter in Scene().emitters}
    rows = simulator.block(512)
    assert rows.shape == (512, scene.bins)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", BANDS)
def test_rows_come_a_thousand_times_faster_than_real_time(name):
    simulator = Simulator(0, scene=scene_named(name, 0))
    simulator.block(256)
    best = min(seconds_of(lambda: simulator.block(256)) for _ in range(5))
    assert 256 / simulator.scene.rows_per_second / best > 1000


def seconds_of(action) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def test_the_calibrated_scene_has_the_texture_of_the_recording_it_was_calibrated_on():
    path = Path(bandwatch.__file__).parent / "benchmarks" / "noise_beside_real.py"
    spec = importlib.util.spec_from_file_location("noise_beside_real", path)
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    with h5py.File(real("logatec-868mhz/data_reduced.h5")) as file:
        recorded = bench.figures(file["rss"][:].astype(float), 0.2)
    pieces = bench.pieces_of("logatec", 0, 0.2, 128)
    for name, slack in [
        ("standard deviation of a bin, dB", 0.02),
        ("correlation of bins 1 apart", 0.04),
        ("correlation of bins 2 apart", 0.04),
        ("correlation of rows 1 apart", 0.06),
        ("row means' standard deviation, dB", 0.03),
        ("roll-off, 0.000..0.031 of the band from its ends, dB", 0.1),
        ("roll-off, 0.062..0.125 of the band from its ends, dB", 0.1),
        ("DC line, dB", 0.2),
        ("quantile 0.999 about the floor, quiet rows, dB", 0.6),
        ("rows with 6 dB or more, share", 0.12),
    ]:
        simulated = np.median([piece[name] for piece in pieces if name in piece])
        assert simulated == pytest.approx(recorded[name], abs=slack), name


class TestGainDrift:
    def test_has_the_standard_deviation_it_was_given_over_days(self):
        seconds = np.arange(0, 40 * DAY, 97.0)
        found = [GainDrift(seed, 0, 0.5, 0.0).slow_db(seconds).std() for seed in range(5)]
        assert found == pytest.approx([0.5] * 5, rel=0.02)

    def test_is_least_in_the_afternoon_whenever_the_band_began(self):
        for start_ns in (START_2026_NS, START_2026_NS + 5 * 3600 * 10**9):
            drifts = [GainDrift(seed, start_ns, 1.0, 0.0) for seed in range(200)]
            since_midnight = start_ns / 1e9 % DAY
            hours = np.arange(24) * 3600.0 - since_midnight
            mean_db = np.mean([drift.slow_db(hours) for drift in drifts], axis=0)
            assert np.argmin(mean_db) in (14, 15, 16)
            assert mean_db.min() == pytest.approx(-1, abs=0.2)

    def test_moves_floor_and_signals_alike_and_leaves_the_truth_alone(self):
        still = Simulator(4)
        drifting = Simulator(4, scene=replace(Scene(), gain_drift_db=3.0))
        difference = drifting.block(600).astype(float) - still.block(600)
        expected = GainDrift(4, START_2026_NS, 3.0, 0.0).slow_db((np.arange(600) + 0.5) * 0.2)
        assert np.abs(difference - expected[:, None]).max() < 1e-4
        assert drifting.truth == still.truth

    def test_jitter_is_drawn_anew_for_each_row(self):
        jitter = GainDrift(0, 0, 0.0, 0.3)
        gain_db = np.concatenate([jitter.rows_db(first, 256, 0.2) for first in range(0, 5120, 256)])
        assert gain_db.std() == pytest.approx(0.3, rel=0.05)
        assert abs(np.corrcoef(gain_db[1:], gain_db[:-1])[0, 1]) < 0.05
        assert np.array_equal(jitter.rows_db(256, 256, 0.2), gain_db[256:512])


def test_half_sine_chips_have_the_spectrum_of_minimum_shift_keying():
    chips = np.linspace(-3, 3, 6001)
    power = half_sine_spectrum(chips)
    regular = np.abs(1 - 16 * chips**2) > 1e-3
    closed = np.cos(2 * np.pi * chips[regular]) ** 2 / (1 - 16 * chips[regular] ** 2) ** 2
    assert power[regular] == pytest.approx(closed, rel=1e-6, abs=1e-12)
    assert half_sine_spectrum(np.array([0.75, 1.25])) == pytest.approx([0, 0], abs=1e-12)
    main_lobe = power[np.abs(chips) <= 0.75].sum() / power.sum()
    assert main_lobe == pytest.approx(0.9947, abs=0.001)
    assert 10 * math.log10(power[chips > 0.75].max()) == pytest.approx(-23, abs=0.3)


def test_an_exchange_of_oqpsk_frames_fills_rows_by_the_share_of_time_it_is_sent():
    simulator = Simulator(2, scene=replace(scene_named("wide", 0), averaged_spectra=1e5, gain_drift_db=0.0,
        gain_jitter_db=0.0, roll_off_db=0.0, dc_line_db=0.0, bin_correlation=0.0,
        emitters=scene_named("wide", 0).emitters[:1]))  # fmt: skip
    power = 10 ** ((simulator.block(256).astype(float) + 80) / 10) - 1
    middle = round((868.3e6 - simulator.scene.raster.first_hz) / 1000)
    assert len(simulator.truth) > 2
    for emission in simulator.truth:
        seconds = sum(patch.end_seconds - patch.start_seconds for patch in emission.patches)
        alone = all(
            other is emission
            or other.start_ns > emission.end_ns + 400_000_000
            or emission.start_ns > other.end_ns + 400_000_000
            for other in simulator.truth
        )
        sent = slice(
            (emission.start_ns - START_2026_NS) // 200_000_000,
            -((START_2026_NS - emission.end_ns) // 200_000_000),
        )
        if sent.stop > 256 or not alone:
            continue
        energy = power[sent, middle - 5 : middle + 6].mean(1).sum() * 0.2
        assert energy == pytest.approx(seconds * 10 ** (emission.power_db / 10), rel=0.03)
        assert emission.high_hz - emission.low_hz == pytest.approx(600e3)
