"""Training windows are live windows; truth says what each shows; long enough bands have models."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from bandwatch.models.bundle_training import (
    Labelled,
    agreement_with_truth,
    day_of_windows,
    labelled,
    recorded_band_models,
    simulated_band_model,
    simulated_windows,
    training_figures,
)
from bandwatch.models.deepcluster import Epoch
from bandwatch.models.training_windows import cut_windows, gather
from bandwatch.models.window_truth import QUIET, truth_of
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import NS_PER_S, Window
from bandwatch.pipeline.noise_floor import NoiseFloor
from bandwatch.pipeline.patches import Emission
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.simulator import START_2026_NS
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.jig import gap_before, rows


def summary(windows: np.ndarray) -> np.ndarray:
    """Stands in for an encoder: what a few blocks of a window hold, float32 [n, 16]."""
    return windows.reshape(len(windows), 4, 32, 4, 32).max(axis=(2, 4)).reshape(len(windows), 16)


def test_training_windows_are_those_the_route_would_cut():
    frames = rows(400, bins=256)
    items = [*frames[:200], gap_before(frames[210]), *frames[210:]]
    live = drive(Windower(16), drive(NoiseFloor(), frames[:200]))
    cut = list(cut_windows(items, 16))
    assert [window.start_ns for window in cut[: len(live)]] == [window.start_ns for window in live]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(cut, live, strict=False))
    assert all(w.end_ns <= frames[199].end_ns or w.start_ns >= frames[210].time_ns for w in cut)


def test_a_row_of_nan_is_a_gap_to_training_as_to_the_route():
    frames = rows(400, bins=128)
    spoilt = frames[150].power_db.copy()
    spoilt[3] = np.nan
    frames[150] = dataclasses.replace(frames[150], power_db=spoilt)
    windows = list(cut_windows(frames, 16))
    assert all(np.isfinite(window.values).all() for window in windows)
    clean = [*cut_windows(frames[:150], 16), *cut_windows(frames[151:], 16)]
    assert [window.start_ns for window in windows] == [window.start_ns for window in clean]


def test_no_training_window_spans_rows_that_are_missing_or_measured_otherwise():
    frames = [*rows(200, bins=128)[:140], *rows(400, bins=128)[180:]]
    frames[300:] = [dataclasses.replace(frame, gain_db=20.0) for frame in frames[300:]]
    for window in cut_windows(frames, 1):
        inside = [frame for frame in frames if window.start_ns <= frame.time_ns < window.end_ns]
        assert len(inside) == 128
        assert len({frame.gain_db for frame in inside}) == 1


def test_gathered_windows_are_in_memory_once():
    bands = [rows(1200, bins=512, seed=seed) for seed in range(2)]
    tracemalloc.start()
    windows = gather(bands, limit=72)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(windows) == 72
    assert most_bytes < 1.6 * windows.nbytes  # beside them a band's ring of rows


def test_more_windows_than_memory_holds_are_refused():
    with pytest.raises(BadInput, match="1000000000000 training windows need 30517578 GiB of memory"):
        gather([], limit=10**12)


def test_gathering_takes_as_many_of_each_band_until_there_are_enough():
    counted = []
    bands = [rows(600, bins=128, seed=seed) for seed in range(3)]
    windows = gather(bands, limit=5, each=2, on_window=lambda: counted.append(1))
    assert (windows.shape, windows.dtype) == ((5, 128, 128), np.float16)
    assert len(counted) == 5
    first, *_ = cut_windows(bands[1], 128)
    np.testing.assert_array_equal(windows[2], first.values.astype(np.float16))


def test_gathering_from_nothing_gives_nothing():
    assert gather([rows(100)], limit=5).shape == (0, 128, 128)


def test_simulated_windows_are_of_many_bands_and_the_same_each_time():
    one, other = simulated_windows(3, 4, 10), simulated_windows(3, 4, 10)
    assert len(one) == 10
    assert np.array_equal(one, other)
    assert not np.array_equal(one, simulated_windows(4, 4, 10))


class TestTruth:
    window = Window(
        node="n",
        band="b",
        segment=0,
        start_ns=0,
        end_ns=128 * NS_PER_S,
        center_hz=1000.0,
        bin_hz=1.0,
        values=np.zeros((128, 128), np.float32),
    )

    def emission(self, kind, start_s, end_s, low_hz, high_hz, power_db=10.0):
        return Emission(kind, int(start_s * NS_PER_S), int(end_s * NS_PER_S), low_hz, high_hz, power_db)

    def main_kind(self, emissions):
        return truth_of(self.window, sorted(emissions, key=lambda emission: emission.start_ns)).main_kind

    def test_is_quiet_where_nothing_is_sent(self):
        assert self.main_kind([]) == QUIET

    def test_is_what_fills_most_of_a_window(self):
        wide = self.emission("wide", 10, 11, 900, 1100)  # 1 row x 128 bins x 10 dB
        long = self.emission("long", 0, 128, 999, 1001)  # 128 rows x 2 bins x 10 dB
        assert self.main_kind([wide, long]) == "long"

    def test_emissions_of_a_kind_add_up(self):
        wide = [self.emission("wide", start, start + 1, 900, 1100) for start in (10, 20, 30)]
        assert self.main_kind([*wide, self.emission("long", 0, 128, 999, 1001)]) == "wide"

    def test_is_quiet_where_all_lies_beside_the_window_or_is_faint(self):
        assert self.main_kind([self.emission("late", 128, 140, 990, 1010)]) == QUIET
        assert self.main_kind([self.emission("high", 0, 128, 1064, 1070)]) == QUIET
        assert self.main_kind([self.emission("short", 5, 7, 999.5, 1000)]) == QUIET

    def test_an_emission_narrower_than_a_bin_fills_one(self):
        assert self.main_kind([self.emission("thin", 0, 4, 1000, 1000.1)]) == "thin"

    def test_names_every_kind_that_shows_and_no_other(self):
        wide = self.emission("wide", 10, 11, 900, 1100)
        long = self.emission("long", 0, 500, 999, 1001)
        faint = self.emission("faint", 20, 21, 999, 1000)
        over = self.emission("over", -90, 0, 900, 1100)
        truth = truth_of(self.window, [over, long, wide, faint])
        assert (truth.kinds, truth.main_kind) == ({"wide", "long"}, "long")
        assert truth_of(self.window, []).kinds == set()


def test_a_days_windows_come_from_all_hours_and_never_twice_the_same():
    windows = [window for window, _ in day_of_windows(0, 24)]
    hours = [(window.start_ns - START_2026_NS) // (3600 * NS_PER_S) for window in windows]
    assert hours == [hour for hour in range(0, 24, 2) for _ in range(2)]
    assert len({window.values.tobytes() for window in windows}) == 24


def test_labelled_windows_come_with_their_truth():
    found = labelled(summary, day_of_windows(2, 24))
    assert found.features.shape == (24, 16)
    assert len(found.kinds) == len(found.kind_counts) == 24
    assert [kind == QUIET for kind in found.kinds] == [count == 0 for count in found.kind_counts]


def test_agreement_is_whole_where_clusters_are_the_kinds():
    kinds = ["a", "b", "a", "c"]
    found = Labelled(np.zeros((4, 1), np.float32), kinds, np.array([1, 1, 1, 2]))
    assert found.nmi(np.array([5, 3, 5, 0])) == pytest.approx(1)
    assert found.nmi(np.array([5, 3, 5, 5]), single=True) == pytest.approx(1)
    assert found.nmi(np.array([5, 3, 5, 5])) < 1


def test_the_simulated_band_has_a_model_of_its_geometry_and_a_measure_of_its_worth():
    model = simulated_band_model(summary, 0, windows=96)
    assert str(model.geometry) == "1024 bins of 187.5 Hz from 868.2000937 MHz in dBFS/bin, 8 segments"
    assert (model.geometry.node, model.geometry.band) == ("simulated", "srd-868")
    assert model.windows == 96
    figures = agreement_with_truth(summary, model, 0, windows=96)
    assert figures.keys() == {
        "nmi_kinds_default_band",
        "nmi_kinds_varied_bands",
        "nmi_single_kinds_default_band",
        "nmi_single_kinds_varied_bands",
        "share_novelty_above_0.95",
    }
    assert all(0 <= value <= 1 for value in figures.values())


def write_recording(path, count, *, bins=256, seed=0, band="band", first_hz=868.0e6):
    power = np.random.default_rng(seed).normal(-100, 1, (count, bins)).astype(np.float32)
    np.save(path, power)
    path.with_name(path.name + ".yaml").write_text(
        f"start: 2026-01-01T00:00:00Z\nstep_seconds: 1\nfirst_hz: {first_hz}\nbin_hz: 187.5\nunit: dBm/bin\n"
        f"node: node\nband: {band}\n"
    )
    return open_recording(path)


class TestRecordedBands:
    def test_have_a_model_if_they_are_long_enough(self, tmp_path):
        recordings = [
            write_recording(tmp_path / "long.npy", 128 + 16 * 10),
            write_recording(tmp_path / "short.npy", 128 + 16, band="short"),
            write_recording(tmp_path / "brief.npy", 100, band="brief"),
            write_recording(tmp_path / "narrow.npy", 400, bins=16, band="narrow"),
        ]
        (model,) = recorded_band_models(summary, recordings, 0, fewest_windows=20)
        assert (model.geometry.band, model.windows, model.geometry.segments) == ("band", 22, 2)

    def test_in_several_recordings_have_one_model(self, tmp_path):
        recordings = [write_recording(tmp_path / f"{n}.npy", 128 + 16 * 10, seed=n) for n in range(2)]
        (model,) = recorded_band_models(summary, recordings, 0, fewest_windows=40)
        assert model.windows == 44

    def test_measured_in_two_ways_are_refused(self, tmp_path):
        recordings = [
            write_recording(tmp_path / "a.npy", 300),
            write_recording(tmp_path / "b.npy", 300, bins=512),
        ]
        with pytest.raises(BadInput, match=r"b\.npy: node/band has 512 bins .*, before it had 256 bins"):
            recorded_band_models(summary, recordings, 0)

    def test_of_other_frequencies_are_refused(self, tmp_path):
        recordings = [
            write_recording(tmp_path / "a.npy", 300),
            write_recording(tmp_path / "b.npy", 300, first_hz=433.0e6),
        ]
        with pytest.raises(BadInput, match=r"from 433 MHz .*, before it had .* from 868 MHz"):
            recorded_band_models(summary, recordings, 0)

    def test_a_tuners_rounding_apart_are_one_band(self, tmp_path):
        recordings = [
            write_recording(tmp_path / "a.npy", 128 + 16 * 10),
            write_recording(tmp_path / "b.npy", 128 + 16 * 10, first_hz=868.00003e6),
        ]
        (model,) = recorded_band_models(summary, recordings, 0, fewest_windows=40)
        assert model.windows == 44


def test_the_figures_of_a_training_are_its_last():
    epochs = [
        Epoch(0, 2.0, 0.1, True, None),
        Epoch(1, 1.0, 0.5, True, 0.75),
        Epoch(2, 0.5, 0.875, False, None),
    ]
    assert training_figures(epochs) == {
        "final_loss": 0.5,
        "final_accuracy": 0.875,
        "nmi_last_two_clusterings": 0.75,
    }
    assert training_figures(epochs[:1])["nmi_last_two_clusterings"] is None
