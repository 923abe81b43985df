"""Broad bands: what a seed fixes, what differs from seed to seed, and that every kind is met."""

import itertools
import math

import numpy as np
import pytest

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.pipeline.broad_scene import broad_scene
from bandwatch.pipeline.emitters import LoraBursts
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.iq_simulator import IqSimulator
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.strange_scene import strange_scene
from bandwatch.pipeline.varied_scene import varied_scene

KINDS = {emitter.kind for emitter in Scene().emitters} | {
    "ofdm", "frequency-hopping", "pulse-train", "impulses", "tdma", "broadcast", "sweep", "drifting-carrier",
    "comb", "fm-voice", "am",
}  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [broad_scene(seed) for seed in range(250)]


def test_a_seed_is_a_band(scenes):
    assert broad_scene(3) == scenes[3] != scenes[4]
    assert scene_named("broad", 3) == scenes[3]
    assert scenes[3].center_hz != varied_scene(3).center_hz


@pytest.mark.parametrize("seed", range(4))
def test_the_size_asked_for_never_changes_a_row(seed, scenes):
    whole, other = Simulator(seed, scene=scenes[seed]), Simulator(seed, scene=broad_scene(seed))
    pieces = np.concatenate([other.block(size) for size in (1, 254, 2, 0, 243)])
    assert pieces.tobytes() == whole.block(500).tobytes()
    assert other.truth == whole.truth
    assert np.isfinite(pieces).all()


def test_varied_bands_stay_as_they_were():
    rows = Simulator.varied(3).block(300)
    assert rows[0, :3] == pytest.approx([-131.86636, -142.07968, -130.29865], abs=1e-4)
    assert rows[299, -3:] == pytest.approx([-131.25839, -133.57826, -131.07523], abs=1e-4)


def test_bands_differ_in_kinds_counts_and_receivers(scenes):
    assert {emitter.kind for scene in scenes for emitter in scene.emitters} == KINDS
    assert any(type(emitter).__name__ == "OqpskExchanges" for scene in scenes for emitter in scene.emitters)
    counts = np.array([len(scene.emitters) for scene in scenes])
    assert set(counts) == set(range(13))
    assert 0.65 < np.mean((counts >= 1) & (counts <= 5)) < 0.87
    spectra = np.array([scene.averaged_spectra for scene in scenes])
    assert spectra.min() == 1
    assert 0.14 < np.mean(spectra <= 2) < 0.4  # a fifth, and the coarsest of the others
    lines = np.array([scene.dc_line_db for scene in scenes])
    assert 20 < lines.max() <= 25
    assert 0.02 < np.mean(lines > 12) < 0.15
    for name in ("gain_drift_db", "gain_jitter_db", "bin_correlation"):
        assert 0.4 < np.mean([getattr(scene, name) > 0 for scene in scenes]) < 0.6
    assert {scene.resolution_db for scene in scenes} == {0.0, 0.5, 1.0}


def test_strange_kinds_are_in_no_other_scene():
    strange = {emitter.kind for emitter in strange_scene().emitters}
    assert len(strange) == 3
    assert strange.isdisjoint(KINDS)
    assert strange_scene() == scene_named("strange", 9)


def test_what_is_called_a_chirp_of_symbols_sweeps_no_slower_than_a_row_and_a_half(scenes):
    for scene in scenes:
        for emitter in scene.emitters:
            if isinstance(emitter, LoraBursts):
                symbol_rows = 2 ** emitter.spreading_factor[0] / emitter.bandwidth_hz * scene.rows_per_second
                assert symbol_rows <= 1.51 or emitter.spreading_factor == (5, 5)


def test_every_emission_touches_its_band_and_many_windows_show_one_kind(scenes):
    shown: list[int] = []
    kinds: set[str] = set()
    for seed, scene in enumerate(scenes[:14]):
        simulator = Simulator(seed, scene=scene)
        simulator.block(256)
        half_hz = scene.bins * scene.bin_hz / 2
        for emitted in simulator.truth:
            assert emitted.start_ns < emitted.end_ns
            assert emitted.low_hz < scene.center_hz + half_hz
            assert emitted.high_hz > scene.center_hz - half_hz
            assert math.isfinite(emitted.power_db)
        frames = Simulator(seed, scene=scene).frames()
        for window in itertools.islice(cut_windows(frames, 128), scene.bins // 128, 2 * scene.bins // 128):
            found = energy_truth(window, simulator.truth, scene.averaged_spectra).kinds
            shown.append(len(found))
            kinds |= found
    shares = np.bincount(np.minimum(shown, 2)) / len(shown)
    assert 0.15 < shares[1] < 0.5
    assert 0.2 < shares[0] < 0.7
    assert len(kinds) >= 12


def test_samples_of_a_kind_without_a_waveform_are_refused_by_its_name():
    with pytest.raises(BadInput) as refused:
        IqSimulator(3, scene=strange_scene()).block(192_000 * 60)
    assert str(refused.value) in {
        f"samples of '{kind}': its modulation is not known"
        for kind in ("zigzag-comb", "widening-burst", "tone-stairs")
    }
