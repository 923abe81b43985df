"""Each transmitter of the broad and the strange band, alone: its physics, and the energy its truth tells."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.pipeline.arrivals import Periodic
from bandwatch.pipeline.broad_emitters import (
    FrequencyHopping,
    Impulses,
    OfdmPackets,
    PulseTrains,
    TdmaSlots,
    WideChannel,
    steps,
)
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.line_emitters import AmVoice, Comb, DriftingCarrier, FmVoice, Sweeps
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.strange_scene import ToneStairs, WideningBurst, ZigzagComb, strange_scene

# 512 bins of 1 kHz, ten rows a second, noise that hardly scatters: what stands above the floor was sent.
ROW = 0.1
CLEAR = Scene(
    center_hz=255.5e3, bin_hz=1e3, bins=512, rows_per_second=10.0, noise_floor_db=0.0, averaged_spectra=1e4,
    roll_off_db=0.0, dc_line_db=0.0, emitters=(),
)  # fmt: skip
ONCE = Periodic(1e6, 0.0, 2.0)
LEVEL = (20.0, 20.0)
ONE = {
    "ofdm": OfdmPackets(ONCE, 250e3, 100e3, (1.0, 1.0), (0.5, 0.5), (0.3, 0.3), (4, 4), -6.0, LEVEL),
    "frequency-hopping": FrequencyHopping(ONCE, 100e3, 8e3, 40, 4e3, 0.07, 0.5, (120, 120), 6.0, LEVEL),
    "pulse-train": PulseTrains(ONCE, 200e3, 150e3, 0.02, 0.45, (20, 20), (30.0, 30.0)),
    "impulses": Impulses(ONCE, 250e3, 1.3e6, 0.01, (0.1, 0.9), (6, 6), 3.0, (30.0, 30.0)),
    "tdma": TdmaSlots(ONCE, 200e3, 12e3, 0.8, 4, (12, 12), 6.0, LEVEL),
    "broadcast": WideChannel(Periodic(25.6), 250e3, 200e3, (25.6, 25.6), 0.4, 6.0, 30.0, LEVEL),
    "sweep": Sweeps(ONCE, 100e3, 400e3, 3e3, 3.0, 0.5, (3, 3), ROW, LEVEL),
    "drifting-carrier": DriftingCarrier(ONCE, 200e3, 50e3, 3.0, 500.0, (20.0, 20.0), ROW, LEVEL),
    "comb": Comb(ONCE, 50e3, 20e3, 20, 500.0, 3e3, 30.0, (20.0, 20.0), 6.0, LEVEL),
    "fm-voice": FmVoice(ONCE, 200e3, (30e3, 90e3), (20.0, 20.0), ROW, LEVEL),
    "am": AmVoice(ONCE, 200e3, 300.0, 20e3, 14e3, (20.0, 20.0), 0.2, -8.0, LEVEL),
    "zigzag-comb": ZigzagComb(ONCE, (200e3, 250e3), 18e3, 4, 2e3, 20e3, 2.0, (4, 4), ROW, LEVEL),
    "widening-burst": WideningBurst(ONCE, (200e3, 250e3), (4e3, 100e3), (5.0, 5.0), ROW, LEVEL),
    "tone-stairs": ToneStairs(ONCE, (200e3, 250e3), 12e3, 8, 3e3, 0.4, (30, 30), LEVEL),
}  # fmt: skip


def heard(kind: str, rows: int = 256, seed: int = 0):
    """Linear power above the floor [rows, bins] of one emitter alone, and its simulator."""
    simulator = Simulator(seed, scene=replace(CLEAR, emitters=(ONE[kind],)))
    return 10 ** (simulator.block(rows).astype(float) / 10) - 1, simulator


def centroid(power: np.ndarray) -> np.ndarray:
    """Where the power of each row stands, in bins; a bin's centre is its number of kHz."""
    power = np.where(power > 0.5, power, 0.0)
    return (power * np.arange(power.shape[1])).sum(1) / power.sum(1)


@pytest.mark.parametrize("kind", ONE)
class TestEveryKind:
    def test_its_energies_are_what_its_rows_hold_above_the_floor(self, kind):
        power, simulator = heard(kind)
        assert {emitted.kind for emitted in simulator.truth} == {kind}
        frames = Simulator(0, scene=simulator.scene).frames()
        told = 0.0
        for window in itertools.islice(cut_windows(frames, 128), 8):  # 2 x 4 windows are all 256 rows
            found = energy_truth(window, simulator.truth, 1e4).by_kind
            told += found[kind].energy if kind in found else 0.0
        assert told == pytest.approx(power.sum(), rel=0.02, abs=20)
        assert told > 1000

    def test_its_power_stands_in_the_boxes_of_its_truth(self, kind):
        power, simulator = heard(kind)
        inside = np.zeros(power.shape, bool)
        row_ns = simulator.scene.duration_ns
        for emitted in simulator.truth:
            first = (emitted.start_ns - simulator.start_ns) // row_ns
            last = -((simulator.start_ns - emitted.end_ns) // row_ns)
            # An analyser smears by 1.5 bins; bin 0 is at 0 Hz.
            low, high = emitted.low_hz / 1e3 - 1.5, emitted.high_hz / 1e3 + 1.5
            inside[first:last, max(0, math.ceil(low)) : math.floor(high) + 1] = True
        assert (np.abs(power[~inside]) < 0.08).all()
        strongest = 10 * np.log10(power.max())
        assert strongest <= max(emitted.power_db for emitted in simulator.truth) + 0.3

    def test_every_draw_begins_when_it_is_told_to_and_is_as_strong(self, kind):
        random = np.random.default_rng(1)
        for _ in range(20):
            sent = [each.emission(0) for each in ONE[kind].transmit(3.7, random)]
            assert min(each.start_ns for each in sent) == 3_700_000_000
            assert all(each.start_ns < each.end_ns for each in sent)
            assert max(each.power_db for each in sent) <= ONE[kind].power_db[1] + 1e-9


def test_ofdm_is_a_flat_block_with_steep_sides_and_fainter_answers():
    power, _ = heard("ofdm")
    row = power[22]
    assert row[205:296] == pytest.approx(np.full(91, 100.0), rel=0.05)
    assert (row[:198] < 0.1).all()
    assert (row[303:] < 0.1).all()
    # Packets of 10 rows and answers of 5, 3 rows apart, from row 20 on; answers 6 dB below.
    expected = [100] * 10 + [0] * 3 + [25.1] * 5 + [0] * 3 + [100] * 5
    assert power[20:46, 250] == pytest.approx(expected, rel=0.05, abs=0.1)


def test_hops_lie_on_the_grid_one_after_another():
    power, simulator = heard("frequency-hopping")
    patches = simulator.truth[0].patches
    assert len(patches) == 120
    assert len({patch.center_hz for patch in patches}) > 30
    heard_bins = np.flatnonzero(power.max(0) > 5)
    off_grid = (heard_bins - 100 + 4) % 8 - 4
    assert np.abs(off_grid).max() <= 3
    assert all(before.end_seconds < after.start_seconds for before, after in itertools.pairwise(patches))


def test_pulses_are_stripes_at_a_fixed_period():
    power, _ = heard("pulse-train")
    rows = power[:, 200]
    expected = np.zeros(256)
    for pulse in range(20):
        start = (2.0 + 0.45 * pulse) / ROW
        expected[int(start)] += 1000 * 0.2 * min(1.0, (int(start) + 1 - start) / 0.2)
        expected[int(start) + 1] += 1000 * 0.2 * max(0.0, 1 - (int(start) + 1 - start) / 0.2)
    assert rows == pytest.approx(expected, rel=0.06, abs=0.2)


def test_an_impulse_is_as_strong_in_every_bin():
    power, _ = heard("impulses")
    loud = power[power.mean(1) > 10]
    assert 5 <= len(loud) <= 12
    assert (loud.std(1) / loud.mean(1) < 0.03).all()


def test_slots_repeat_with_their_frame_and_leave_some_silent():
    power, _ = heard("tdma")
    rows = power[20:110, 200]
    assert rows[8:] == pytest.approx(rows[:-8], rel=0.07, abs=0.1)
    assert (rows > 50).any()
    assert (rows < 0.1).sum() >= 20


def test_a_broadcast_channel_is_always_on_and_fades_without_seams():
    power, _ = heard("broadcast", rows=600)
    level_db = 10 * np.log10(power[:, 200:300].mean(1))
    assert level_db.min() == pytest.approx(14, abs=0.1)
    assert level_db.max() == pytest.approx(20, abs=0.1)
    assert np.abs(np.diff(level_db)).max() < 0.3  # at most 6 dB * pi / 75 steps
    assert power[:, 345:].max() > 50 > 0.1 > power[:, 353:].max()


def test_a_sweep_goes_up_and_down_evenly_with_constant_power():
    power, _ = heard("sweep")
    rows = np.arange(21, 109)
    place = ((rows + 0.5) * ROW - 2.0) / 3.0 % 1.0
    expected = 100 + 300 * (1 - np.abs(2 * place - 1))
    whole = (expected > 115) & (expected < 385)
    assert centroid(power[rows])[whole] == pytest.approx(expected[whole], abs=0.7)
    energy = power[rows].sum(1)
    assert energy == pytest.approx(np.full(len(rows), energy.mean()), rel=0.05)


def test_a_sawtooth_flies_back_as_fast_as_it_is_told_with_the_same_energy_a_second():
    saw = replace(ONE["sweep"], rise_share=0.9)
    power = 10 ** (Simulator(0, scene=replace(CLEAR, emitters=(saw,))).block(128).astype(float) / 10) - 1
    energy = power[20:110].sum(1)
    # The rise takes 27 rows of 30, the flyback 3, each ten times as wide.
    assert energy[27:30].mean() == pytest.approx(energy[:27].mean(), rel=0.15)
    assert (power[20:47] > 5).sum(1).max() < 25 < (power[47:50] > 5).sum(1).min()


def test_a_passing_carrier_falls_as_the_doppler_shift_of_an_even_passage():
    power, _ = heard("drifting-carrier")
    x = 3 * (2 * (np.arange(200) + 0.5) / 200 - 1)
    expected = 200 - 50 * x / np.sqrt(1 + x**2) * np.sqrt(10) / 3
    assert centroid(power[20:220]) == pytest.approx(expected, abs=0.5)
    steady = replace(ONE["drifting-carrier"], curve=0.05)
    directions = set()
    for seed in range(8):
        sent = steady.transmit(0.0, np.random.default_rng(seed))[0].patches
        centers = np.array([patch.center_hz for patch in sent])
        assert np.diff(centers) == pytest.approx(np.diff(centers).mean(), rel=0.01)
        directions.add(bool(centers[0] < centers[-1]))
    assert directions == {True, False}


def test_the_lines_of_a_comb_are_evenly_spaced_and_swing_together():
    power, simulator = heard("comb")
    row = power[20]  # where the swing has hardly begun
    tops = [at for at in range(1, 511) if row[at] > 5 and row[at] >= row[at - 1] and row[at] > row[at + 1]]
    assert len(tops) == 20
    assert np.abs(np.diff(tops) - 20).max() <= 1
    level_db = 10 * np.log10(row[tops])
    assert 12 < level_db.min() < level_db.max() - 2
    swung = centroid(power[20:220, 40:61]) + 40
    expected = 50 + 3 * np.sin(2 * np.pi * (np.arange(200) + 0.5) * ROW / 30)
    assert swung == pytest.approx(expected, abs=0.4)
    assert len(simulator.truth) == 1


def test_fm_voice_breathes_in_width_at_constant_power():
    power, _ = heard("fm-voice")
    rows = power[20:220]
    widths = (rows > 0.5 * rows.max(1, keepdims=True)).sum(1)
    assert widths.min() < 20 < 35 < widths.max()
    assert rows.sum(1) == pytest.approx(np.full(200, rows.sum(1).mean()), rel=0.05)
    assert centroid(rows) == pytest.approx(np.full(200, 200.0), abs=0.3)


def test_am_has_two_alike_sidebands_weaker_than_its_carrier():
    power, _ = heard("am")
    rows = power[20:220]
    left, right = rows[:, 160:198], rows[:, 203:241][:, ::-1]
    assert left == pytest.approx(right, rel=0.08, abs=0.1)
    assert rows[:, 200] == pytest.approx(np.full(200, 100.0), rel=0.06)
    side_db = 10 * np.log10(rows[:, 220])
    assert 12.2 > side_db.max() > side_db.min() + 6


def test_strange_kinds_do_what_no_other_does():
    power, _ = heard("zigzag-comb")
    row = power[26]
    assert np.count_nonzero((row[1:-1] > 30) & (row[1:-1] >= row[:-2]) & (row[1:-1] > row[2:])) == 4
    swung = centroid(power[20:100])
    assert swung[:20] == pytest.approx(swung[20:40], abs=0.5)
    assert np.ptp(swung) == pytest.approx(36, abs=2)  # 40 between the turns, less half a row's way at each

    power, _ = heard("widening-burst")
    widths = (power[20:70] > 50).sum(1)
    assert widths == pytest.approx(0.9 * (4 + 96 * (np.arange(50) + 0.5) / 50) + 1.5, abs=2)

    power, _ = heard("tone-stairs")
    tones = centroid(power[20:140:4])
    assert tones - tones[0] == pytest.approx(12.0 * (np.arange(30) % 8), abs=0.3)


def test_the_strange_band_is_the_default_one_with_other_kinds_well_above_the_floor():
    scene = strange_scene()
    assert replace(scene, emitters=()) == replace(Scene(), emitters=())
    simulator = Simulator(3, scene=scene)
    simulator.block(1536)  # five minutes
    kinds = [emitted.kind for emitted in simulator.truth]
    assert {"zigzag-comb", "widening-burst", "tone-stairs"} == set(kinds)
    assert min(kinds.count(kind) for kind in set(kinds)) >= 2
    assert min(emitted.power_db for emitted in simulator.truth) >= 10


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (0.0, 3.0, 0.1),
        (0.05, 0.07, 0.1),
        (0.3, 0.7, 0.1),
        (1.23, 9.87, 1 / 7),
        (1e6 + 0.1, 1e6 + 3, 0.2),
    ],
)
def test_steps_cover_a_stretch_once_and_never_cross_a_border(start, end, step):
    pieces = steps(start, end, step)
    assert (pieces[0][0], pieces[-1][1]) == (start, end)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(pieces))
    for since, until in pieces:
        assert since < until <= since + step * (1 + 1e-5)
        assert math.ceil(until / step - 1e-4) - math.floor(since / step + 1e-4) == 1


def test_impossible_parameters_are_refused_by_name():
    with pytest.raises(BadInput) as refused:
        replace(ONE["sweep"], step_seconds=0.0)
    assert str(refused.value) == "sweep: step_seconds is 0.0, it must be above 0"
    with pytest.raises(BadInput) as refused:
        replace(ONE["ofdm"], packet_seconds=(2.0, 1.0))
    assert str(refused.value) == "ofdm: packet_seconds is (2.0, 1.0), it must be finite and in rising order"
