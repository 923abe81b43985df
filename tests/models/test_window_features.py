"""Features of windows that were drawn: what was drawn is what is measured."""

from pathlib import Path

import numpy as np
import pytest

import bandwatch
from bandwatch.models.window_features import FEATURES, window_features


def window(*boxes, level_db=15.0, scatter_db=1.0, seed=0):
    """Noise at the floor, and boxes (first row, end row, first bin, end bin) of a level above it."""
    levels = np.random.default_rng(seed).normal(0, scatter_db, (128, 128))
    for first_row, end_row, first_bin, end_bin in boxes:
        levels[first_row:end_row, first_bin:end_bin] += level_db
    return np.clip((levels + 5) / 40, 0, 1).astype(np.float32)


def measured(drawn):
    values = window_features(drawn[None])
    assert values.dtype == np.float32
    assert values.shape == (1, len(FEATURES))
    assert np.isfinite(values).all()
    return dict(zip((feature.name for feature in FEATURES), values[0].tolist(), strict=True))


@pytest.mark.parametrize("scatter_db", [0.3, 1, 2])
def test_noise_alone_is_empty(scatter_db):
    found = measured(window(scatter_db=scatter_db))
    for name in ("occupied_ratio", "duty_ratio", "burst_count", "patch_count", "drift_bins_a_row"):
        assert found[name] == 0, name
    assert found["mean_db"] == pytest.approx(0, abs=0.1)
    assert found["spectral_flatness"] > 0.98


def test_three_bursts_of_a_telemetry():
    found = measured(window((10, 14, 60, 70), (50, 54, 60, 70), (90, 94, 60, 70)))
    assert found["burst_count"] == found["patch_count"] == 3
    assert found["longest_burst_rows"] == found["median_burst_rows"] == 4
    assert found["median_pause_rows"] == 36
    assert found["period_rows"] == 40
    assert found["periodicity_ratio"] > 0.5
    assert found["duty_ratio"] == pytest.approx(12 / 128)
    assert found["bandwidth_bins"] == found["patch_width_bins"] == 10
    assert found["occupied_db"] == pytest.approx(15, abs=0.3)
    assert found["side_edge_db"] == pytest.approx(15, abs=1)
    assert found["centre_bins"] == pytest.approx(64.5 - 63.5, abs=0.2)
    assert found["spread_bins"] == pytest.approx(np.sqrt(99 / 12), abs=0.1)
    assert found["main_patch_ratio"] == pytest.approx(1 / 3, abs=0.02)


def test_a_carrier_is_a_full_bin_and_a_stripe_full_rows():
    carrier, stripe = measured(window((0, 128, 30, 33))), measured(window((40, 45, 0, 128)))
    assert carrier["full_bins_ratio"] == pytest.approx(3 / 128)
    assert carrier["full_rows_ratio"] == 0
    assert carrier["direction"] > 0.3
    assert stripe["full_rows_ratio"] == pytest.approx(5 / 128)
    assert stripe["full_bins_ratio"] == 0
    assert stripe["direction"] < -0.3
    assert carrier["spectral_flatness"] < stripe["spectral_flatness"]
    assert carrier["temporal_flatness"] > stripe["temporal_flatness"]


@pytest.mark.parametrize("slope", [2.0, 0.5, -1.0])
def test_a_chirp_drifts_as_drawn(slope):
    boxes = []
    for row in range(40):
        first = round(60 + slope * (row - 20))
        boxes.append((40 + row, 41 + row, first, first + 4))
    found = measured(window(*boxes))
    assert found["drift_bins_a_row"] == pytest.approx(slope, abs=0.05 * abs(slope) + 0.02)
    assert found["straightness_ratio"] > 0.9
    assert found["patch_length_rows"] == 40
    assert found["patch_fill_ratio"] < 0.25
    still = measured(window((40, 80, 50, 90)))
    assert abs(still["drift_bins_a_row"]) < 0.05
    assert still["straightness_ratio"] < 0.05


def test_a_window_filled_from_edge_to_edge_is_not_quiet():
    found = measured(window((0, 128, 0, 128)))
    assert found["occupied_ratio"] > 0.99
    assert found["mean_db"] == pytest.approx(15, abs=0.1)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_windows_without_any_scatter_have_numbers_too(value):
    measured(np.full((128, 128), value, dtype=np.float32))


def test_a_mirrored_window_differs_in_the_sign_of_its_centre_and_drift_only():
    drawn = window((10, 14, 20, 30), (50, 70, 90, 94))
    found, mirrored = measured(drawn), measured(drawn[:, ::-1])
    for name in found:
        sign = -1 if name in ("centre_bins", "drift_bins_a_row") else 1
        assert mirrored[name] == pytest.approx(sign * found[name], rel=1e-4, abs=1e-4), name


def test_features_have_names_units_and_physical_values():
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    by_name = {feature.name: feature for feature in FEATURES}
    assert by_name["bandwidth_bins"].physical(10, 187.5, 0.2) == (1875, "Hz")
    assert by_name["longest_burst_rows"].physical(4, 187.5, 0.2) == (pytest.approx(0.8), "s")
    assert by_name["drift_bins_a_row"].physical(2, 187.5, 0.2) == (pytest.approx(1875), "Hz/s")
    assert by_name["peak_db"].physical(12, 187.5, 0.2) == (12, "dB")


def test_every_feature_stands_in_the_docs():
    page = (Path(bandwatch.__file__).parent / "docs" / "evaluate.md").read_text()
    for feature in FEATURES:
        assert f"| `{feature.name}` | {feature.unit} | {feature.meaning} |" in page
