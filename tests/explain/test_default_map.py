"""The default's map: its slopes are those that finite differences find, and what it says adds up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bandwatch.explain.default_map import default_attributions, default_map
from bandwatch.explain.default_twin import DefaultTwin
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.frozen_network import mean_of_outputs
from bandwatch.explain.shap import ExpectedGradients
from bandwatch.models.forecast_past import past_rows
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.default_steady import SteadyDefault
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput

ROWS, PERIOD = 700, 40


def table_of(values: np.ndarray) -> StepTable:
    ends = 1_800_000_000_000_000_000 + 60_000_000_000 * np.arange(1, len(values) + 1)
    return StepTable("node", "band", "dBm/bin", 60.0, 868e6 + 1e3 * np.arange(values.shape[1]), values, ends)


def fit(values: np.ndarray, outputs: slice) -> SteadyDefault:
    return train_default(ForecastProblem(table_of(values), outputs), 0, TrainingWatch()).steady


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(1)
    shape = np.convolve(random.normal(size=PERIOD), np.ones(5) / 5, "same") * 6
    season = np.tile(shape, ROWS // PERIOD + 1)[:ROWS, np.newaxis] * random.uniform(0.5, 1, 7)
    level = np.cumsum(random.normal(0, 0.3, (ROWS, 7)), axis=0)
    found = season + level - 90 + random.normal(0, 0.7, (ROWS, 7))
    found[300] = np.nan
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def fitted(values: np.ndarray) -> SteadyDefault:
    """With a period, and all of its parts at work; forecasts columns 1 to 4 of 7."""
    made = fit(values[:500], slice(1, 5))
    assert made.reader.period == PERIOD
    assert np.abs(made.mixture.curves.weights).max() > 0
    assert np.abs(made.mixture.band.weights).max() > 0
    return made


def test_the_twin_says_what_the_forecaster_says(fitted: SteadyDefault, values: np.ndarray) -> None:
    origins = np.array([30, 150, 330, 420, 560, 688])  # pasts cut short, with an unknown row, whole
    twin = DefaultTwin(fitted)
    past = past_rows(values, origins, twin.rows).astype(np.float64)
    known = np.isfinite(past).all(axis=2)
    assert 0 < known.sum() < known.size
    said = twin(torch.from_numpy(np.where(known[:, :, None], past, 1e6)), torch.tensor(known))
    assert said.numpy() == pytest.approx(fitted.forecasts(values, origins), abs=2e-4)


def test_slopes_are_those_of_finite_differences(fitted: SteadyDefault, values: np.ndarray) -> None:
    origin, width = 560, 0.02  # dB: below it float32 rounds, above it a quantile turns a corner
    needs = fitted.needs_rows
    past = values[origin - needs : origin]
    twin = DefaultTwin(fitted)
    asked = torch.from_numpy(past[np.newaxis, -twin.rows :].astype(np.float64)).requires_grad_()
    known = torch.ones((1, twin.rows), dtype=torch.bool)
    (slopes,) = torch.autograd.grad(mean_of_outputs(twin(asked, known)).sum(), asked)

    def mean(changed: np.ndarray) -> float:
        return float(fitted.forecasts(changed, np.array([needs])).mean(dtype=np.float64))

    found, places = (
        [],
        [(needs - back, column) for back in (1, 2, 5, 9, 24, 40, 60, 90) for column in range(7)],
    )
    for row, column in places:
        up, down = past.copy(), past.copy()
        up[row, column] += width
        down[row, column] -= width
        found.append((mean(up) - mean(down)) / (2 * width))
    expected = np.array([float(slopes[0, row - needs, column]) for row, column in places])
    assert np.abs(expected).max() > 0.05
    assert np.abs(np.array(found) - expected).max() < 0.005 * np.abs(expected).max()


def test_a_map_adds_up_to_how_far_the_forecast_is_from_the_baselines(
    fitted: SteadyDefault, values: np.ndarray
) -> None:
    origins, background = np.array([520, 600, 688]), np.arange(200, 300)
    found = default_attributions(fitted, values, origins, background=background, samples=64)
    said = fitted.forecasts(values, origins).mean(axis=(1, 2))
    away = said - fitted.forecasts(values, background).mean()
    assert found.away == pytest.approx(away, abs=1e-3)
    sums = found.maps.sum(axis=(1, 2)) + found.older.sum(axis=1)
    assert sums == pytest.approx(away, abs=0.05 * float(np.abs(away).max()))
    alone = default_map(fitted, values, origins[1:2], background=background, samples=64)
    assert alone == pytest.approx(found.maps[1:2], abs=1e-6)


@pytest.mark.parametrize("level", [True, False])
def test_a_level_shift_is_mapped_as_the_forecaster_reads_it(
    fitted: SteadyDefault, values: np.ndarray, *, level: bool
) -> None:
    asked = replace(fitted, reader=replace(fitted.reader, level=level))
    shifted = values.copy()
    shifted[600:] += 25
    origins, background = np.array([612, 640]), np.arange(200, 300)
    found = default_attributions(asked, shifted, origins, background=background, samples=8)
    said = asked.forecasts(shifted, origins).mean(axis=(1, 2))
    assert found.away == pytest.approx(said - asked.forecasts(shifted, background).mean(), abs=1e-3)


def test_the_forecaster_is_as_it_was(fitted: SteadyDefault, values: np.ndarray) -> None:
    before = fitted.forecasts(values, np.array([560])), fitted.mixture.own.copy(), values.copy()
    with torch.inference_mode():  # whatever the caller forbade
        default_map(fitted, values, np.array([560]), samples=4)
    after = fitted.forecasts(values, np.array([560])), fitted.mixture.own, values
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_planted_leader_is_first() -> None:
    planted = PlantedLeader.make(5, rows=700, frequencies=8)
    rows = planted.values * 3 - 90
    maps = default_map(fit(rows[:600], slice(0, 8)), rows, np.arange(620, 688, 4))
    by_frequency = np.abs(maps).mean(axis=(0, 1))
    assert by_frequency.argmax() == planted.leader


def test_it_is_the_networks_shap_where_the_default_is_a_network(values: np.ndarray) -> None:
    """The default without curves and band, of the last 24 rows: one linear layer, the same in torch."""
    made = fit(np.random.default_rng(0).normal(-90, 2, (300, 3)).astype(np.float32), slice(0, 3))
    mixture = made.mixture
    mixture.band.weights[:] = 0
    mixture.curves.weights[:] = 0
    mixture.own[:, 23 + 4 :] = 0  # all but the 23 last changes and the means of 3, 6, 16 and 24 rows

    class Layer(nn.Module):
        def forward(self, past: torch.Tensor) -> torch.Tensor:
            change = past - past[:, -1:]
            seen = [change[:, :-1], *(change[:, -rows:].mean(1, keepdim=True) for rows in (3, 6, 16, 24))]
            weights = torch.from_numpy(mixture.own[:, :27].astype(np.float64))
            return past[:, -1:] + torch.einsum("ndc,cdh->nhc", torch.cat(seen, dim=1), weights)

    rows = np.random.default_rng(1).normal(-90, 2, (300, 3)).astype(np.float32)
    background, origins = np.arange(24, 88), np.arange(200, 204)
    by_row = np.arange(-24, 0)
    network = ExpectedGradients(Layer(), rows[background[:, None] + by_row], samples=64)
    expected = network.attribute(rows[origins[:, None] + by_row])
    found = default_map(made, rows, origins, background=background, samples=64)
    assert found == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_mapped_is_told(fitted: SteadyDefault, values: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"origin 310: its last 24 rows are not finite"):
        default_map(fitted, values, np.array([310]))
    with pytest.raises(BadInput, match=r"origins 12 to 560 of 700 rows, needs 24 to 700"):
        default_map(fitted, values, np.array([12, 560]))
    with pytest.raises(BadInput, match=r"values of shape \[700, 6\], needs \[n, 7\]"):
        default_map(fitted, values[:, :6], np.array([560]))
