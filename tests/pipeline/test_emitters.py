"""Each transmitter: where and how long its power stands, against its truth and its physics."""

import itertools
import math

import numpy as np
import pytest

from bandwatch.pipeline.arrivals import Periodic
from bandwatch.pipeline.emitters import (
    Carrier,
    Emitter,
    FskTelemetry,
    LoraBursts,
    OokRemote,
    SpreadFrames,
    UltraNarrowHops,
    WidebandInterference,
)
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

ONCE = Periodic(1e6, 0.0, 4.03)
CENTER_HZ = 868.296e6
EMITTERS = (
    SpreadFrames(ONCE, 868.3e6, 300e3, (0.3, 0.5), (10.0, 14.0)),
    UltraNarrowHops(ONCE, (868.21e6, 868.38e6), (100.0, 1000.0), (1.9, 2.2), (0.3, 0.5), (15.0, 23.0)),
    LoraBursts(ONCE, 868.3e6, 125e3, (11, 12), (40, 60), (10.0, 14.0)),
    FskTelemetry(ONCE, 868.25e6, 5e3, 3e3, (0.5, 1.5), (15.0, 20.0)),
    OokRemote(ONCE, (868.22e6, 868.24e6), 2e3, (0.05, 0.1), (0.45, 0.5), (3, 8), (15.0, 20.0)),
    Carrier(ONCE, 868.33e6, 30.0, 2000.0, 55.0, (60.0, 90.0), (15.0, 20.0)),
    WidebandInterference(ONCE, (868.28e6, 868.31e6), (60e3, 100e3), (3.0, 8.0), 0.4, 4.0, (12.0, 16.0)),
)


def quiet(*emitters: Emitter, **changes) -> Scene:
    """A band whose noise hardly scatters (0.04 dB), so that what stands above it was sent."""
    return Scene(roll_off_db=0, dc_line_db=0, averaged_spectra=1e4, emitters=emitters, **changes)


def excess(scene: Scene, seed: int = 0, rows: int = 512):
    """Linear power above the floor, in floors [rows, bins], and the truth."""
    simulator = Simulator(seed, scene=scene)
    power = 10 ** ((simulator.block(rows).astype(float) - scene.noise_floor_db) / 10) - 1
    return power, simulator.truth, simulator.start_ns


def bins_of(scene: Scene, emission) -> tuple[float, float]:
    raster = scene.raster
    return (emission.low_hz - raster.first_hz) / raster.bin_hz, (
        emission.high_hz - raster.first_hz
    ) / raster.bin_hz


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("emitter", EMITTERS, ids=lambda emitter: emitter.kind)
class TestEveryEmitter:
    def test_power_stands_in_the_rows_of_its_truth_and_no_other(self, emitter, seed):
        power, truth, start_ns = excess(quiet(emitter), seed)
        rows = np.zeros(len(power))
        for emission in truth:
            first, last = ((t - start_ns) / 200e6 for t in (emission.start_ns, emission.end_ns))
            rows += np.clip(np.minimum(np.arange(512) + 1, last) - np.maximum(np.arange(512), first), 0, 1)
        assert all(emission.kind == emitter.kind for emission in truth)
        assert min(emission.start_ns for emission in truth) == start_ns + 4_030_000_000
        peak = power.max(1)
        assert (peak[rows == 0] < 0.1).all()
        if emitter.kind != "ook":  # its truth spans the pauses between its codes
            assert (peak[rows > 0.05] > 0.1).all()

    def test_power_stands_in_the_bins_of_its_truth_and_reaches_their_edges(self, emitter, seed):
        scene = quiet(emitter)
        power, truth, start_ns = excess(scene, seed)
        for emission in truth:
            first = math.floor((emission.start_ns - start_ns) / 200e6)
            last = math.ceil((emission.end_ns - start_ns) / 200e6)
            if len(truth) > 1:  # hops: the first and last row may be shared with another hop
                first, last = first + 1, last - 1
            occupied = np.flatnonzero(power[first:last].max(0) > 0.1)
            low, high = bins_of(scene, emission)
            assert occupied.min() >= max(0, low - 1.5)
            assert occupied.max() <= min(1023, high + 1.5)
            # 0.1 of the floor is 20 dB and more below the top: that far down the edge of a hump of
            # width w lies within 0.1 w of its end.
            slack = 1.5 + 0.1 * (high - low)
            assert occupied.min() <= max(0, low) + slack
            assert occupied.max() >= min(1023, high) - slack

    def test_the_strongest_bin_stands_as_high_as_the_truth_says(self, emitter, seed):
        power, truth, _ = excess(quiet(emitter), seed)
        level_db = 10 * math.log10(power.max())
        said_db = max(emission.power_db for emission in truth)
        # A tone between two bins loses up to 1.3 dB; a code shorter than a row is shared with silence;
        # a chirp's row holds up to one sweep more than its share.
        low, high = {"ook": (7.5, 0.3), "lora": (0.5, 0.8), "ultra-narrowband": (1.4, 0.3)}.get(
            emitter.kind, (1.4, 0.3)
        )
        assert said_db - low < level_db < said_db + high

    def test_every_draw_keeps_to_its_ranges(self, emitter, seed):
        random = np.random.default_rng(seed)
        for _ in range(100):
            for sent in emitter.transmit(1.0, random):
                emission = sent.emission(0)
                assert emitter.power_db[0] - 4 <= emission.power_db <= emitter.power_db[1]
                assert 1_000_000_000 <= emission.start_ns < emission.end_ns


def test_a_spread_frame_is_a_stripe_that_falls_by_the_cosine_of_its_chips():
    emitter = SpreadFrames(Periodic(1e6), CENTER_HZ, 300e3, (1.0, 1.0), (20.0, 20.0))
    scene = quiet(emitter)
    power = excess(scene)[0][1]
    offset_hz = (np.arange(1024) - 511.5) * 187.5
    assert power == pytest.approx(100 * np.cos(np.pi * offset_hz / 300e3 / 2) ** 2, rel=0.06)


def test_ultra_narrow_frames_hop_three_times_at_frequencies_of_their_own():
    _, truth, _ = excess(quiet(EMITTERS[1]))
    assert len(truth) == 3
    assert len({emission.low_hz for emission in truth}) == 3
    for before, after in itertools.pairwise(truth):
        assert 0.3 <= (after.start_ns - before.end_ns) / 1e9 <= 0.5
        assert 1.9 <= (after.end_ns - after.start_ns) / 1e9 <= 2.2
        assert 100 <= after.high_hz - after.low_hz <= 1000


@pytest.mark.parametrize("factor", [7, 9, 12])
def test_a_lora_packet_lasts_its_symbols_and_fills_its_bandwidth_evenly(factor):
    emitter = LoraBursts(Periodic(1e6), CENTER_HZ, 125e3, (factor, factor), (50, 50), (20.0, 20.0))
    power, truth, _ = excess(quiet(emitter))
    seconds = 50 * 2**factor / 125e3
    assert (truth[0].end_ns - truth[0].start_ns) / 1e9 == pytest.approx(seconds, abs=1e-9)
    assert truth[0].high_hz - truth[0].low_hz == 125e3
    # Over the whole packet every bin of the plateau was swept 50 times, however rows cut the sweeps.
    plateau = power[:, 512 - 290 : 512 + 290].sum(0)
    assert plateau == pytest.approx(np.full(580, 100 * seconds / 0.2), rel=0.06)
    assert plateau.mean() == pytest.approx(100 * seconds / 0.2, rel=0.003)


def test_fsk_stands_in_two_tones_with_silence_between():
    scene = quiet(FskTelemetry(Periodic(1e6), CENTER_HZ, 6e3, 2e3, (1.0, 1.0), (20.0, 20.0)))
    row = excess(scene)[0][2]
    assert np.argmax(row[:512]) in (479, 480)
    assert np.argmax(row[512:]) + 512 in (543, 544)
    assert (row[490:534] < 0.05).all()


def test_an_ook_remote_repeats_its_code_with_pauses():
    scene = quiet(
        OokRemote(Periodic(1e6), (CENTER_HZ, CENTER_HZ), 2e3, (0.4, 0.4), (0.6, 0.6), (5, 5), (20.0, 20.0))
    )
    power, truth, _ = excess(scene)
    rows = power[:30].max(1)
    expected = np.where(np.arange(30) % 5 < 2, 100.0, 0.0) * (np.arange(30) < 25)
    assert rows == pytest.approx(expected, rel=0.1, abs=0.1)
    assert truth[0].end_ns - truth[0].start_ns == pytest.approx(4.4e9, abs=2)


def test_a_carrier_swings_around_its_frequency():
    scene = quiet(Carrier(Periodic(1e6), CENTER_HZ, 30.0, 3000.0, 60.0, (100.0, 100.0), (20.0, 20.0)))
    power, truth, _ = excess(scene)
    rows = np.arange(500)
    expected = 511.5 + 16 * np.sin(2 * np.pi * (rows + 0.5) * 0.2 / 60)
    heard = (power[:500] * np.arange(1024))[:, 450:570].sum(1) / power[:500, 450:570].sum(1)
    assert np.abs(heard - expected).max() < 0.6
    assert truth[0].high_hz - truth[0].low_hz == pytest.approx(6030)


def test_interference_fades_from_slice_to_slice_no_deeper_than_it_may():
    emitter = WidebandInterference(
        Periodic(1e6), (CENTER_HZ, CENTER_HZ), (100e3, 100e3), (20.0, 20.0), 0.4, 4.0, (20.0, 20.0)
    )
    power, truth, _ = excess(quiet(emitter))
    level_db = 10 * np.log10(power[:100, 511])
    assert level_db[::2] == pytest.approx(level_db[1::2], abs=0.2)
    assert 15.9 < level_db.min() < level_db.max() < 20.1
    assert level_db.std() > 0.8
    assert truth[0].power_db == pytest.approx(level_db.max(), abs=0.15)


def test_emitters_add_in_linear_power():
    tones = [
        FskTelemetry(Periodic(1e6), CENTER_HZ, 6e3, 2e3, (9.0, 9.0), (level, level)) for level in (10.0, 13.0)
    ]
    one, other, both = (
        excess(quiet(*emitters), rows=32)[0][4] for emitters in ([tones[0]], [tones[1]], tones)
    )
    assert both.max() == pytest.approx(one.max() + other.max(), rel=0.06)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SpreadFrames(ONCE, 868e6, 300e3, (0.5, 0.1), (1.0, 2.0)),
            "ieee-802.15.4: burst_seconds is (0.5, 0.1), it must be finite and in rising order",
        ),
        (
            lambda: FskTelemetry(ONCE, 868e6, 5e3, 3e3, (0.5, 1.0), (math.nan, 2.0)),
            "fsk: power_db is (nan, 2.0), it must be finite and in rising order",
        ),
        (
            lambda: Carrier(ONCE, 868e6, 0.0, 0.0, 1.0, (1.0, 1.0), (1.0, 2.0)),
            "carrier: width_hz is 0.0, it must be above 0",
        ),
        (
            lambda: OokRemote(ONCE, (1e6, 1e6), 2e3, (1.0, 1.0), (-1.0, 1.0), (1, 2), (1.0, 2.0)),
            "ook: pause_seconds is (-1.0, 1.0), it must be at least 0",
        ),
        (
            lambda: OokRemote(ONCE, (1e6, 1e6), 2e3, (1.0, 1.0), (0.0, 1.0), (0, 2), (1.0, 2.0)),
            "ook: repeats is (0, 2), it must be above 0",
        ),
    ],
)
def test_impossible_parameters_are_refused_by_name(make, message):
    with pytest.raises(BadInput) as refused:
        make()
    assert str(refused.value) == message
