"""The simulated band's samples: behind the analyser they are the rows of the power simulator."""

from dataclasses import replace

import numpy as np
import pytest

from bandwatch.pipeline.arrivals import Periodic
from bandwatch.pipeline.emitters import (
    Carrier,
    Emitter,
    FskTelemetry,
    LoraBursts,
    OokRemote,
    OqpskExchanges,
    SpreadFrames,
    UltraNarrowHops,
    WidebandInterference,
)
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.iq_simulator import BLOCK_SAMPLES, IqSimulator
from bandwatch.pipeline.modulation import bursts_of
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.patches import Patch, Transmission
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

ONCE = Periodic(1e6, 0.0, 0.43)
CENTER_HZ = 868.296e6
SILENT = Scene(roll_off_db=0.0, dc_line_db=0.0, averaged_spectra=1e5, emitters=())


def rows_of(scene: Scene, seed: int, rows: int) -> np.ndarray:
    """The rows that the analyser makes of the samples, dB [rows, bins]."""
    simulator = IqSimulator(seed, scene=scene)
    samples = round(simulator.sample_rate_hz * scene.raster.row_seconds)
    spectrum = PowerSpectrum(bins=scene.bins, frames_per_row=2 * samples // scene.bins)
    assert spectrum.samples_per_row == samples
    return spectrum.rows(simulator.block(rows * samples + scene.bins)).astype(float)


def linear(rows_db: np.ndarray, scene: Scene) -> np.ndarray:
    """Power above the floor, in floors."""
    return 10 ** ((rows_db - scene.noise_floor_db) / 10) - 1


# Level, then what may differ between samples and rows: energy and strongest bin, in dB. The painter adds the
# analyser's 1.5 bins to a hump's width, where spectra add in squares: an ultra-narrow one has less energy.
UPLINK = UltraNarrowHops(ONCE, (868.22e6, 868.37e6), (600.0, 600.0), (1.9, 2.1), (0.2, 0.4), (25.0, 25.0))
HUM = WidebandInterference(ONCE, (868.29e6, 868.31e6), (60e3, 90e3), (4.0, 5.0), 0.4, 4.0, (25.0, 25.0))
EMITTERS = [
    (SpreadFrames(ONCE, CENTER_HZ, 300e3, (1.0, 1.0), (25.0, 25.0)), 0.3, 1.0),
    (SpreadFrames(ONCE, CENTER_HZ + 20e3, 40e3, (1.0, 1.0), (25.0, 25.0)), 0.3, 1.0),
    (OqpskExchanges(ONCE, CENTER_HZ - 10e3, 80e3, (0.1, 0.2), (0.01, 0.1), (6, 6), (25.0, 25.0)), 0.5, 1.0),
    (UPLINK, 2.2, 1.5),
    (LoraBursts(ONCE, CENTER_HZ, 125e3, (10, 10), (120, 120), (25.0, 25.0)), 0.4, 2.0),
    (LoraBursts(ONCE, CENTER_HZ + 80e3, 125e3, (9, 9), (200, 200), (25.0, 25.0)), 0.4, 2.0),
    (FskTelemetry(ONCE, CENTER_HZ + 20e3, 5e3, 3e3, (3.0, 3.0), (25.0, 25.0)), 1.2, 1.5),
    (OokRemote(ONCE, (868.23e6, 868.25e6), 2e3, (0.3, 0.4), (0.1, 0.2), (5, 5), (25.0, 25.0)), 1.5, 2.0),
    (Carrier(ONCE, CENTER_HZ + 30e3, 30.0, 2000.0, 20.0, (5.0, 5.0), (25.0, 25.0)), 0.4, 0.5),
    (HUM, 0.3, 1.0),
]


@pytest.mark.parametrize(
    ("emitter", "energy_db", "peak_db"), EMITTERS, ids=lambda each: getattr(each, "kind", "")
)
def test_each_emitter_stands_as_high_as_long_and_where_the_rows_have_it(
    emitter: Emitter, energy_db: float, peak_db: float
):
    scene = replace(SILENT, emitters=(emitter,))
    rows = 36
    sampled = linear(rows_of(scene, 3, rows), scene)
    painted = linear(Simulator(3, scene=scene).block(rows).astype(float), scene)

    assert 10 * np.log10(sampled.sum() / painted.sum()) == pytest.approx(0, abs=energy_db)
    assert 10 * np.log10(sampled.mean(0).max() / painted.mean(0).max()) == pytest.approx(0, abs=peak_db)
    bins = np.arange(scene.bins)
    spread = painted.sum(0).nonzero()[0].size
    place = (sampled.sum(0) * bins).sum() / sampled.sum() - (painted.sum(0) * bins).sum() / painted.sum()
    assert abs(place) < 0.5 + 0.02 * spread
    # It is sent in the same rows, with the same share of each.
    share, expected = sampled.sum(1) / sampled.sum(), painted.sum(1) / painted.sum()
    assert np.abs(share - expected).max() < 0.03 * max(1.0, 6 * expected.max())
    silent = expected < 1e-3 * expected.max()
    assert silent.sum() >= 2
    assert np.abs(sampled[silent].mean()) < 0.02


def test_noise_filter_and_dc_line_are_those_of_the_rows():
    scene = replace(SILENT, roll_off_db=2.6, dc_line_db=6.0)
    level_db = 10 * np.log10(np.mean(10 ** (rows_of(scene, 1, 60) / 10), 0))
    expected_db = 10 * np.log10(np.mean(10 ** (Simulator(1, scene=scene).block(60) / 10.0), 0))
    # 60 rows of about 71 independent spectra scatter by 0.07 dB.
    assert np.abs(level_db - expected_db).max() < 0.45
    assert np.abs((level_db - expected_db).reshape(32, 32).mean(1)).max() < 0.1


def test_the_default_scene_agrees_row_by_row_and_bin_by_bin():
    scene, rows = Scene(), 130
    sampled = rows_of(scene, 3, rows)
    painted = Simulator(3, scene=scene).block(rows).astype(float)
    of_rows = 10 * np.log10((10 ** (sampled / 10)).mean(1) / (10 ** (painted / 10)).mean(1))
    of_bins = 10 * np.log10((10 ** (sampled / 10)).mean(0) / (10 ** (painted / 10)).mean(0))
    assert np.quantile(np.abs(of_rows), 0.95) < 0.3
    assert np.abs(of_rows).max() < 1.0
    assert np.quantile(np.abs(of_bins), 0.9) < 1.0
    # The rows' own 19 spectra have a lower median than the analyser's 71.
    assert np.median(sampled - painted) == pytest.approx(0.09, abs=0.06)
    for strong, other in ((painted > -100, sampled > -104), (sampled > -100, painted > -104)):
        assert strong.sum() > 500
        assert other[strong].mean() > 0.8  # keyed tones have power between their humps


def test_gain_drifts_in_samples_as_in_rows():
    scene = replace(SILENT, bins=128, gain_drift_db=6.0, gain_jitter_db=1.0)
    sampled = rows_of(scene, 2, 200).mean(1)
    painted = Simulator(2, scene=scene).block(200).mean(1)
    assert np.corrcoef(sampled, painted)[0, 1] > 0.9
    assert (sampled - painted).mean() == pytest.approx(0, abs=0.2)


def test_how_samples_are_asked_for_never_changes_them():
    whole = IqSimulator(7).block(3 * BLOCK_SAMPLES + 17)
    other = IqSimulator(7)
    sizes = [1, 0, BLOCK_SAMPLES - 1, BLOCK_SAMPLES + 5, 12]
    pieces = np.concatenate([other.block(size) for size in [*sizes, len(whole) - sum(sizes)]])
    assert whole.dtype == np.complex64
    assert pieces.tobytes() == whole.tobytes()
    assert IqSimulator(8).block(100).tobytes() != whole[:100].tobytes()


def test_bins_of_samples_lie_on_the_bins_of_rows():
    for name in ("default", "wide"):
        scene = scene_named(name, 0)
        simulator = IqSimulator(0, scene=scene)
        assert simulator.sample_rate_hz == scene.bins * scene.bin_hz
        first_hz = simulator.center_hz - scene.bins // 2 * scene.bin_hz
        assert first_hz == pytest.approx(scene.raster.first_hz, abs=1e-6)


def test_what_cannot_be_modulated_is_refused():
    sent = Transmission("radar", (Patch(0.0, 1.0, 1e6, 1e3, 500.0, 10.0),))
    with pytest.raises(BadInput, match="^samples of 'radar': its modulation is not known$"):
        bursts_of(sent, np.random.default_rng)
