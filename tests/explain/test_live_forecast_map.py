"""Maps of what a forecaster looks at, of forecasters of which that is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.forecast_map_folder import publish_map
from bandwatch.explain.global_map import even_map, global_map
from bandwatch.explain.grad_cam import GradCam
from bandwatch.explain.live_forecast_map import grad_cam_of, occlusion_of
from bandwatch.explain.live_forecast_words import map_words
from bandwatch.explain.published import newest_of
from bandwatch.explain.published_map import ARRAYS, OCCLUSION, PICTURE, read_map
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmNetwork
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.fitted_nlinear import FittedNLinear
from bandwatch.models.forecasters.fitted_repeat_last import FittedRepeatLast
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import NS_PER_S, read_only
from bandwatch.tests.steps_made import MINUTE_NS, START_NS


def table(values: np.ndarray, minutes: np.ndarray | None = None, changes: tuple[int, ...] = ()) -> StepTable:
    """Steps of a minute at 868 MHz, 10 kHz apart, `minutes` [n] after the first."""
    minutes = np.arange(len(values)) if minutes is None else minutes
    return StepTable(
        node="node",
        band="band",
        unit="dBm/bin",
        step_s=60.0,
        frequencies_hz=868e6 + 1e4 * np.arange(values.shape[1]),
        values=read_only(values.astype(np.float32)),
        end_ns=read_only(START_NS + (minutes + 1) * MINUTE_NS),
        breaks=tuple(sorted({*(np.flatnonzero(np.diff(minutes) > 1) + 1).tolist(), *changes})),
        changes=changes,
    )


def test_of_linear_maps_each_value_counts_by_its_coefficient_and_how_far_it_is_from_the_mean():
    random = np.random.default_rng(0)
    values = random.normal(size=(100, 5))
    weights = np.zeros((24, 12))
    weights[3] = random.normal(size=12)  # of the fourth oldest; the last has 1 minus that
    found = occlusion_of(FittedNLinear(slice(0, 5), weights), table(values), 24, columns_apart=True)
    assert found is not None
    assert (found.windows, found.measure) == (77, OCCLUSION)
    away = np.abs(values - values.mean(axis=0))
    coefficients = np.zeros(24)
    coefficients[3], coefficients[23] = np.abs(weights[3]).mean(), np.abs(1 - weights[3]).mean()
    means = np.array([away[step : step + 77].mean() for step in range(24)])
    np.testing.assert_allclose(found.by_step, coefficients * means, rtol=1e-4, atol=1e-6)
    inner = found.map[23:77] / away[23:77]  # rows that all windows cover: a constant times the distance
    np.testing.assert_allclose(inner, coefficients.sum() / 24 / 5, rtol=1e-4)


def test_windows_far_apart_leave_no_comb_in_the_map():
    random = np.random.default_rng(1)
    true = random.uniform(1, 2, size=(240, 3)).astype(np.float32)
    by_place = np.geomspace(0.05, 1, 24).astype(np.float32)
    firsts = np.arange(0, 217, 13)
    maps = np.stack([true[first : first + 24] * by_place[:, np.newaxis] for first in firsts])
    plain, found = global_map(maps, firsts, 240), even_map(maps, firsts, 240)
    known = np.isfinite(found)
    assert known.mean() > 0.95

    def correlation(values: np.ndarray) -> float:
        return float(np.corrcoef(values[known], true[known])[0, 1])

    assert correlation(plain) < 0.8
    assert correlation(found) > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_the_defaults_leader_is_first_and_named(seed):
    planted = PlantedLeader.make(seed)
    rows = table(planted.values)
    fitted = train_default(ForecastProblem(rows, slice(0, 16)), seed, TrainingWatch()).steady
    found = occlusion_of(fitted, rows, 24, most_windows=40)
    assert found is not None
    assert int(np.argmax(found.by_frequency)) == planted.leader
    assert int(np.argmax(np.nanmean(found.map, axis=0))) == planted.leader
    leader = map_words(found).ranges[0]
    assert leader.low_hz <= 868e6 + 1e4 * planted.leader <= leader.high_hz
    assert leader.said in map_words(found).frequencies


def test_a_bundles_network_has_the_papers_map_of_the_last_hours():
    torch.manual_seed(0)
    random = np.random.default_rng(2)
    values = random.normal(-90, 3, size=(130, 6)).astype(np.float32)
    module = CnnLstmNetwork(NetworkConfig(6, 6)).eval()
    network = CnnLstm(
        frequencies_hz=868e6 + 1e4 * np.arange(6),
        unit="dBm/bin",
        step_s=60.0,
        mean_db=np.full(6, -90, np.float32),
        scale_db=np.full(6, 3, np.float32),
        weights={name: each.numpy() for name, each in module.state_dict().items()},
    )
    minutes = np.arange(130) + 5 * (np.arange(130) >= 60)
    found = grad_cam_of(network, table(values, minutes), 100 / 60)
    assert found is not None
    # Of 100 minutes the last 95 rows, 25 of them before the hole.
    firsts = np.array([0, 1, *range(25, 72)])
    assert (len(found.map), found.windows) == (95, len(firsts))
    scaled = (values[35:] + 90) / 3
    maps = GradCam(module).attribute(scaled[firsts[:, np.newaxis] + np.arange(24)])
    np.testing.assert_allclose(found.map, global_map(maps, firsts, 95), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.by_step, maps.sum(axis=2).mean(axis=0), rtol=1e-5, atol=1e-9)
    with pytest.raises(BadInput, match=r"step is 60 s, the model was trained on 30 s"):
        grad_cam_of(dataclasses.replace(network, step_s=30.0), table(values), 24)


class Watching:
    """Repeats the last row, and keeps what it was given to read."""

    name, needs_rows = "default", 40

    def __init__(self) -> None:
        self.read: list[np.ndarray] = []

    def forecasts(self, values, origins):
        self.read += [values[origin - 40 : origin] for origin in origins]
        return np.repeat(values[origins - 1][:, np.newaxis], 12, axis=1)


def test_nobody_reads_over_a_change_and_rows_missing_are_unknown():
    values = np.arange(120.0)[:, np.newaxis] + np.zeros(4)
    minutes = np.arange(120) + 3 * (np.arange(120) >= 80)
    watching = Watching()
    found = occlusion_of(watching, table(values, minutes, changes=(40,)), 24, most_windows=500)
    assert found is not None
    assert found.windows == 17 + 17 + 17  # 40 rows in a row, three times
    as_heard = watching.read[: found.windows]
    for rows in as_heard:
        known = rows[np.isfinite(rows).all(axis=1)]
        assert known.min() >= 40 or known.max() < 40
    over_the_hole = [rows[:, 0] for rows in as_heard if 103 <= rows[-1, 0] <= 110]
    assert len(over_the_hole) == 8
    for rows in over_the_hole:
        hole = np.flatnonzero(~np.isfinite(rows))
        np.testing.assert_array_equal(np.diff(hole), 1)
        assert len(hole) == 3
        assert rows[hole[-1] + 1] == 80
        assert rows[hole[0] - 1] == 79


def test_too_few_steps_and_steps_that_are_not_finite_have_no_map():
    nothing = FittedRepeatLast(slice(0, 3))
    values = np.random.default_rng(0).normal(size=(35, 3))
    assert occlusion_of(nothing, table(values[:34]), 24, columns_apart=True) is None
    assert occlusion_of(nothing, table(values), 24, columns_apart=True) is not None
    values[20, 1] = np.nan
    assert occlusion_of(nothing, table(values), 24, columns_apart=True) is None


def test_repeating_the_last_looks_at_the_newest_row_alone_and_says_so():
    values = np.random.default_rng(0).choice([-1.0, 1.0], size=(1500, 8))
    values[:, 2] *= 10
    found = occlusion_of(FittedRepeatLast(slice(0, 8)), table(values), 24, columns_apart=True)
    assert found is not None
    words = map_words(found)
    assert words.newest_ratio == 1
    assert found.by_step[:23].sum() == 0
    assert "newest 1 (60 s)" in words.back
    assert words.ranges[0].said == "868.02 MHz"
    assert words.ranges[0].share == pytest.approx(10 / 17, abs=0.05)
    assert "All hours of these rows count alike" in words.hours
    standing = occlusion_of(FittedRepeatLast(slice(0, 8)), table(np.zeros((60, 8))), 24, columns_apart=True)
    assert standing is not None
    assert map_words(standing).frequencies == "No frequency drives what the repeat-last forecasts."


def test_a_map_is_published_whole_and_read_again_and_damage_is_told_in_a_line(tmp_path: Path):
    values = np.random.default_rng(0).normal(size=(60, 8))
    found = occlusion_of(FittedRepeatLast(slice(0, 8)), table(values), 24, columns_apart=True)
    assert found is not None
    published = publish_map(tmp_path / "maps", found, {"node": "node"}, 5 * NS_PER_S)
    assert newest_of(tmp_path / "maps") == published
    again = read_map(published)
    assert (again.model, again.windows, again.rows, again.made_ns) == ("repeat-last", 37, 60, 5 * NS_PER_S)
    assert again.ranges[0][2] == pytest.approx(map_words(found).ranges[0].share)
    assert (published / PICTURE).stat().st_size > 10_000
    facts = (published / "explanation.json").read_text()
    for text, message in (
        ("{", "cannot be read"),
        ("[]", "not a forecast map of version 1"),
        (facts.replace('"windows": 37', '"windows": "many"'), "not a forecast map: ValueError"),
        (facts.replace('"windows": 37', '"windows": 1e999'), "not a forecast map: OverflowError"),
        (facts.replace('"version": 1', '"version": 2'), "not a forecast map of version 1"),
    ):
        (published / "explanation.json").write_text(text)
        with pytest.raises(BadInput, match=message) as refusal:
            read_map(published)
        assert str(published) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    (published / "explanation.json").write_text(facts)
    (published / ARRAYS).unlink()
    with pytest.raises(BadInput, match=r"arrays\.safetensors: is gone"):
        read_map(published)
