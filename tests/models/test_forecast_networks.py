"""The third paper's six networks: what appendix A says of each, and one training for all."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecast_split import ForecastSplit
from bandwatch.models.forecast_training import NETWORKS, fit_network
from bandwatch.models.forecasters.fitted_network import BATCH, FittedNetwork
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.models.forecasters.self_attention import SelfAttention
from bandwatch.models.forecasters.transformer_network import sines
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput

F, OUT = 7, 3
CONVOLUTIONAL = ("cnn", "cnn-lstm", "cnn-lstm-attention")


def a_network(name: str, inputs: int = F, outputs: int = OUT) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NETWORKS[name](NetworkConfig(inputs, outputs)).eval()


def a_problem(rows: int = 160, breaks: tuple[int, ...] = ()) -> ForecastProblem:
    random = np.random.default_rng(0)
    wave = np.sin(np.arange(rows)[:, np.newaxis] / 5 + np.arange(F))
    table = StepTable(
        node="node",
        band="band",
        unit="dBm/bin",
        step_s=60.0,
        frequencies_hz=868e6 + 1e3 * np.arange(F),
        values=(-90 + 3 * wave + random.normal(0, 0.2, (rows, F))).astype(np.float32),
        end_ns=(np.arange(rows, dtype=np.int64) + 1) * 60_000_000_000,
        breaks=breaks,
    )
    return ForecastProblem(table, slice(2, 2 + OUT))


def briefly(name: str, problem: ForecastProblem, watch: TrainingWatch | None = None) -> FittedNetwork:
    return fit_network(name, problem, 1, watch or TrainingWatch(), device="cpu", epochs=3, iterations=2)


# The networks


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        # Keras' own counts, layer by layer: a kernel and its bias; an LSTM's four gates with one bias each, a
        # GRU's three with two; attention's query, key, value and output; a norm's scale and shift.
        ("lstm", [4 * 64 * (151 + 64 + 1), 4 * 32 * (64 + 32 + 1), 33 * 64]),
        ("gru", [3 * 64 * (151 + 64 + 2), 3 * 32 * (64 + 32 + 2), 33 * 64]),
        ("cnn", [64 * (3 * 151 + 1), 32 * (3 * 64 + 1), (4 * 32 + 1) * 64]),
        (
            "transformer",
            [3 * 152 * 4 * 128, (4 * 128 + 1) * 151, 4 * 151, 152 * 8, 9 * 151, 152 * 64],
        ),
        (
            "cnn-lstm",
            [64 * (3 * 151 + 1), 32 * (3 * 64 + 1), 4 * 64 * (32 + 64 + 1), 4 * 32 * (64 + 32 + 1), 33 * 64],
        ),
        (
            "cnn-lstm-attention",
            [
                *(64 * (3 * 151 + 1), 32 * (3 * 64 + 1)),
                *(4 * 64 * (32 + 64 + 1), 4 * 32 * (64 + 32 + 1), 33 * 64),
                *(3 * 33 * 4 * 8, (4 * 8 + 1) * 32),
            ],
        ),
    ],
)
def test_it_has_as_many_parameters_as_the_papers_layers_in_keras(name: str, layers: list[int]) -> None:
    trained = sum(p.numel() for p in a_network(name, 151, 15).parameters() if p.requires_grad)
    assert trained == sum(layers) + 65 * 12 * 15


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_and_columns_go_in_and_twelve_steps_come_out(name: str) -> None:
    network = a_network(name)
    x = torch.randn(5, 24, F, generator=torch.Generator().manual_seed(1), requires_grad=True)
    y = network(x)
    assert y.shape == (5, 12, OUT)
    y[2].abs().sum().backward()
    assert x.grad is not None
    assert not x.grad[[0, 1, 3, 4]].any(), "a history reaches the forecast of another"
    seen = x.grad[2].abs().sum(dim=1) > 0  # [24]
    # Unpadded, 24 -> 22 -> 11 -> 9 -> 4 steps: the fourth ends with step 21.
    assert seen.tolist() == [True] * 22 + [name not in CONVOLUTIONAL] * 2


def test_attention_is_torchs_where_the_heads_share_the_width() -> None:
    ours, oracle = SelfAttention(32, heads=4, head_size=8), nn.MultiheadAttention(32, 4, batch_first=True)
    nn.init.normal_(ours.query_key_value.bias)
    with torch.no_grad():
        oracle.in_proj_weight.copy_(ours.query_key_value.weight)
        oracle.in_proj_bias.copy_(ours.query_key_value.bias)
        oracle.out_proj.weight.copy_(ours.output.weight)
        oracle.out_proj.bias.copy_(ours.output.bias)
    x = torch.randn(3, 5, 32)
    torch.testing.assert_close(ours(x), oracle(x, x, x)[0], atol=1e-6, rtol=1e-5)


def test_attention_starts_as_keras_starts_it() -> None:
    attention = SelfAttention(151, heads=4, head_size=128)
    # Glorot: 6 over the fans, each times the axes before the last two of the kernel.
    within = math.sqrt(6 / (151 * (4 + 128))), math.sqrt(6 / (4 * (128 + 151)))
    for layer, limit in zip((attention.query_key_value, attention.output), within, strict=True):
        assert 0.99 * limit < layer.weight.abs().max().item() <= limit
        assert not layer.bias.any()


def test_positions_are_sines_and_cosines_of_growing_periods() -> None:
    table = sines(24, 5)
    assert table.shape == (24, 5)
    for t, column, value in ((0, 0, 0.0), (0, 1, 1.0), (7, 0, math.sin(7)), (7, 1, math.cos(7))):
        assert table[t, column].item() == pytest.approx(value, abs=1e-6)
    assert table[7, 3].item() == pytest.approx(math.cos(7 / 10_000 ** (2 / 5)), abs=1e-6)
    assert table[7, 4].item() == pytest.approx(math.sin(7 / 10_000 ** (4 / 5)), abs=1e-6)


def test_recurrent_layers_start_as_keras_starts_them() -> None:
    lstm, gru = a_network("lstm").get_submodule("lstm2"), a_network("gru").get_submodule("gru2")
    for layer in (lstm, gru):
        from_state = layer.weight_hh_l0.detach()
        torch.testing.assert_close(from_state.T @ from_state, torch.eye(32), atol=1e-5, rtol=0)
    assert lstm.bias_ih_l0.tolist() == [0] * 32 + [1] * 32 + [0] * 64
    assert not lstm.bias_hh_l0.requires_grad
    assert gru.bias_hh_l0.requires_grad


# The trained networks


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forecast_is_the_network_between_the_training_rows_scaling(name: str) -> None:
    problem = a_problem()
    fitted = briefly(name, problem)
    values, outputs = problem.table.values, problem.outputs
    assert fitted.name == name
    assert fitted.needs_rows == 24
    np.testing.assert_allclose(fitted.mean_db, values.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(fitted.scale_db, values.std(axis=0), rtol=1e-4)
    origins = np.array([24, 100, 149])
    scaled = np.stack([(values[o - 24 : o] - fitted.mean_db) / fitted.scale_db for o in origins])
    with torch.inference_mode():
        truth = fitted.network(torch.from_numpy(scaled)).numpy()
    truth = truth * fitted.scale_db[outputs] + fitted.mean_db[outputs]
    forecasts = fitted.forecasts(values, origins)
    assert forecasts.shape == (3, 12, OUT)
    assert forecasts.dtype == np.float32
    np.testing.assert_allclose(forecasts, truth, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forecast_hangs_on_its_24_rows_alone(name: str) -> None:
    problem = a_problem()
    fitted = briefly(name, problem)
    origins = np.arange(24, 24 + BATCH + 9)
    at_once = fitted.forecasts(problem.table.values, origins)
    for origin in (24, 60, int(origins[-1])):
        spoiled = np.full_like(problem.table.values, np.nan)
        spoiled[origin - 24 : origin] = problem.table.values[origin - 24 : origin]
        alone = fitted.forecasts(spoiled, np.array([origin]))
        np.testing.assert_array_equal(alone[0], at_once[origin - 24])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_wave_is_learnt_far_better_than_by_repeating(name: str) -> None:
    whole = a_problem(500)
    past = dataclasses.replace(whole.table, values=whole.table.values[:400], end_ns=whole.table.end_ns[:400])
    problem = ForecastProblem(past, whole.outputs)
    fitted = fit_network(name, problem, 0, TrainingWatch(), device="cpu", epochs=2, iterations=50)
    values, origins = whole.table.values, np.arange(400, 489)
    truth = np.stack([values[o : o + 12, whole.outputs] for o in origins])
    rmse_db = np.sqrt(np.square(fitted.forecasts(values, origins) - truth).mean())
    repeated = np.sqrt(np.square(values[origins - 1][:, np.newaxis, whole.outputs] - truth).mean())
    assert rmse_db < 0.6 * repeated


# The training


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_killed_between_epochs_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    problem, path = a_problem(), tmp_path / "deep" / "checkpoint"

    def kill(done: int, _of: int) -> None:
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        briefly(name, problem, TrainingWatch(path, kill))
    torch.randn(10)
    told: list[tuple[int, int]] = []
    resumed = briefly(name, problem, TrainingWatch(path, lambda done, of: told.append((done, of))))
    whole = briefly(name, problem)
    assert told == [(2, 3), (3, 3)]
    for key, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[key], weight), key
    other = fit_network(name, problem, 2, TrainingWatch(), device="cpu", epochs=3, iterations=2)
    origins = np.array([50])
    assert not np.array_equal(
        other.forecasts(problem.table.values, origins), whole.forecasts(problem.table.values, origins)
    )


def test_a_checkpoint_of_another_network_or_problem_is_refused(tmp_path: Path) -> None:
    watch, problem = TrainingWatch(tmp_path / "checkpoint"), a_problem()
    briefly("lstm", problem, watch)
    for name, other in (
        ("gru", problem),
        ("lstm", a_problem(161)),
        ("lstm", ForecastProblem(problem.table, slice(0, OUT))),
    ):
        with pytest.raises(BadInput, match="checkpoint: of a training with other settings or windows"):
            briefly(name, other, watch)


def test_every_window_of_the_rows_trains_and_none_spans_a_break() -> None:
    problem = a_problem(breaks=(70,))
    split = ForecastSplit.of(problem.table, problem.outputs, validation_share=0)
    assert split.training.tolist() == [*range(70 - 35), *range(70, 160 - 35)]
    assert not len(split.validation)
    with pytest.raises(BadInput) as refused:
        briefly("cnn", a_problem(60))
    assert str(refused.value) == (
        "forecast training of node/band: 60 steps give 25 training and 0 validation windows "
        "of 36 unbroken steps, needs at least 32 and 0"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(BadInput, match="device 'cuda' is not here: torch finds 0 CUDA devices"):
        fit_network("cnn", a_problem(), 0, TrainingWatch(), device="cuda", epochs=1, iterations=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_gpu_learns_what_the_processor_learns(name: str, tmp_path: Path) -> None:
    problem, origins = a_problem(400), np.arange(24, 300)
    here = fit_network(name, problem, 0, TrainingWatch(), device="cpu", epochs=4)
    watch = TrainingWatch(tmp_path / "checkpoint")
    there = fit_network(name, problem, 0, watch, device="cuda", epochs=4)
    truth = np.stack([problem.table.values[o : o + 12, problem.outputs] for o in origins])
    errors = [np.square(one.forecasts(problem.table.values, origins) - truth).mean() for one in (here, there)]
    assert errors[1] == pytest.approx(errors[0], rel=0.3)
