"""The energies in a window, against what the simulator's rows really hold."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.models.window_truth import QUIET
from bandwatch.pipeline.arrivals import Periodic
from bandwatch.pipeline.emitters import FskTelemetry, SpreadFrames
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.patches import Emission
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

# Noise that hardly scatters: what stands above the floor was sent.
CLEAR = replace(Scene(), averaged_spectra=1e4, roll_off_db=0.0, dc_line_db=0.0)


def windows_of(scene: Scene, seed: int, count: int):
    simulator = Simulator(seed, scene=scene)
    windows = list(islice(cut_windows(simulator.frames(), 128), count))
    rows = Simulator(seed, scene=scene).block(2048).astype(float)
    return windows, simulator, 10 ** ((rows - scene.noise_floor_db) / 10) - 1


def test_energies_add_up_to_what_the_rows_hold_above_the_floor():
    windows, simulator, power = windows_of(CLEAR, 5, 64)
    compared = 0
    for window in windows:
        truth = energy_truth(window, simulator.truth, 1e4)
        row = (window.start_ns - simulator.start_ns) // simulator.scene.duration_ns
        first = round((window.center_hz - simulator.scene.raster.first_hz) / 187.5 - 63.5)
        held = power[row : row + 128, first : first + 128].sum()
        # 16,384 pixels of 0.01 floors' scatter: 1.3; and what the strong ones scatter themselves.
        assert sum(found.energy for found in truth.by_kind.values()) == pytest.approx(held, rel=0.01, abs=8)
        by_emission = sum(found.energy for _, found in truth.by_emission)
        assert by_emission == pytest.approx(sum(found.energy for found in truth.by_kind.values()), rel=1e-4)
        compared += held > 100
    assert compared > 20


def once(make, power_db: float) -> Scene:
    return replace(CLEAR, averaged_spectra=19.0, emitters=(make(power_db),))


def fsk(power_db: float) -> FskTelemetry:
    return FskTelemetry(Periodic(1e6, 0, 4.0), 868.25e6, 3e3, 2e3, (8.0, 8.0), (power_db, power_db))


def stripe(power_db: float) -> SpreadFrames:
    return SpreadFrames(Periodic(1e6, 0, 5.0), 868.296e6, 300e3, (0.4, 0.4), (power_db, power_db))


def test_the_main_kind_has_most_energy_not_most_area():
    # 20 dB over 40 rows x about 2 x 8 bins against 3 dB over 2 rows x 128 bins: energy 50,000 against 500.
    scene = replace(CLEAR, emitters=(fsk(20.0), stripe(3.0)))
    windows, simulator, _ = windows_of(scene, 0, 8)
    found = [energy_truth(window, simulator.truth, 19.0) for window in windows]
    assert {truth.main_kind for truth in found} == {"fsk", "ieee-802.15.4"}
    for truth in found:
        assert next(iter(truth.by_kind)) == truth.main_kind
        assert truth.kinds == set(truth.by_kind)
    assert sum(truth.kinds == {"fsk", "ieee-802.15.4"} for truth in found) in (1, 2)


@pytest.mark.parametrize(("power_db", "shows"), [(-20.0, False), (-10.0, False), (0.0, True)])
def test_what_no_detector_finds_in_the_noise_is_none(power_db, shows):
    windows, simulator, _ = windows_of(once(stripe, power_db), 0, 8)
    middle = energy_truth(windows[4], simulator.truth, 19.0)
    # Two rows of 128 bins, hardly less than the level in the middle of the stripe.
    level = 10 ** (power_db / 10)
    assert middle.by_kind["ieee-802.15.4"].energy == pytest.approx(256 * level, rel=0.1)
    assert middle.by_kind["ieee-802.15.4"].deflection == pytest.approx(np.sqrt(19 * 256) * level, rel=0.1)
    assert middle.main_kind == ("ieee-802.15.4" if shows else QUIET)
    assert middle.kinds == ({"ieee-802.15.4"} if shows else set())


def test_a_window_after_all_that_was_sent_is_quiet():
    windows, simulator, _ = windows_of(once(fsk, 20.0), 0, 16)
    late = energy_truth(windows[-1], simulator.truth, 19.0)
    assert (late.by_kind, late.by_emission, late.main_kind) == ({}, (), QUIET)


def test_emissions_without_patches_are_refused():
    window = windows_of(CLEAR, 5, 1)[0][0]
    with pytest.raises(
        BadInput, match="^emission x at 1767225600000000000: has no patches to find energy in$"
    ):
        energy_truth(window, [Emission("x", window.start_ns, window.end_ns, 0.0, 1e9, 10.0)], 19.0)
