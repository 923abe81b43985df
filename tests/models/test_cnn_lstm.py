"""The CNN-LSTM: the paper's network, the same in numpy; its folder; its training."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bandwatch.models.forecast_split import ForecastSplit
from bandwatch.models.forecast_training import EpochFigures, train_cnn_lstm
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.forecasters.cnn_lstm_forward import CnnLstmForward, weight_shapes
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork
from bandwatch.models.step_table import StepTable, gather_steps, simulated_rows
from bandwatch.models.tensor_file import read_arrays, write_tensors
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import History, read_only
from bandwatch.tests.jig import same
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled


def a_network(frequencies: int, seed: int = 0) -> CnnLstmNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CnnLstmNetwork(CnnLstmConfig(frequencies, frequencies)).eval()


def a_model(frequencies: int = 5) -> CnnLstm:
    random = np.random.default_rng(1)
    return CnnLstm(
        frequencies_hz=868e6 + 1e3 * np.arange(frequencies),
        unit="dBm/bin",
        step_s=60.0,
        mean_db=random.normal(-90, 5, frequencies).astype(np.float32),
        scale_db=random.uniform(0.5, 4, frequencies).astype(np.float32),
        weights={name: w.numpy().copy() for name, w in a_network(frequencies).state_dict().items()},
        figures={"seed": 0, "epochs": 1},
    )


def a_table(rows: int = 240, frequencies: int = 5, seed: int = 0, **changes: object) -> StepTable:
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(rows)[:, np.newaxis] / 5 + np.arange(frequencies))
    table = StepTable(
        node="node",
        band="band",
        unit="dBm/bin",
        step_s=60.0,
        frequencies_hz=868e6 + 1e3 * np.arange(frequencies),
        values=(-90 + 3 * wave + random.normal(0, 0.3, (rows, frequencies))).astype(np.float32),
        end_ns=(np.arange(rows, dtype=np.int64) + 1) * 60_000_000_000,
    )
    return dataclasses.replace(table, **changes)  # pyright: ignore[reportArgumentType]


def a_history(model: CnnLstm, **changes: object) -> History:
    frequencies = model.frequencies_hz.size
    history = History(
        node="node",
        band="band",
        step_s=60.0,
        end_ns=0,
        frequencies_hz=model.frequencies_hz,
        values=np.random.default_rng(2).normal(-90, 4, (24, frequencies)).astype(np.float32),
        season=np.zeros((0, frequencies), np.float32),
        season_end_ns=np.zeros(0, np.int64),
    )
    return dataclasses.replace(history, **changes)  # pyright: ignore[reportArgumentType]


def same_weights(one: CnnLstm, other: CnnLstm) -> bool:
    return same(dict(sorted(one.weights.items())), dict(sorted(other.weights.items())))


# The network


@pytest.mark.parametrize("frequencies", [1, 15, 232, 256])
def test_the_agents_network_says_what_torch_says(frequencies: int) -> None:
    network = a_network(frequencies)
    with torch.no_grad():  # biases start at zero: give them something to get wrong
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    random = np.random.default_rng(0)
    mean_db = random.normal(-9, 2, frequencies).astype(np.float32)
    scale_db = random.uniform(0.5, 1.5, frequencies).astype(np.float32)
    x = random.normal(-9, 3, size=(7, 24, frequencies)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy((x - mean_db) / scale_db)).numpy() * scale_db + mean_db
    weights = {name: w.detach().numpy() for name, w in network.state_dict().items()}
    forward = CnnLstmForward(weights, mean_db, scale_db)
    for some in (x, x[:1]):
        answer = forward.run(some)
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, expected[: len(some)], atol=1e-5, rtol=0)


def test_time_shrinks_24_to_11_to_4_unpadded() -> None:
    network = a_network(5)
    seen: dict[str, tuple[int, ...]] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def note(_layer: object, _inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
            seen[name] = tuple((output if isinstance(output, torch.Tensor) else output[0]).shape)

        return getattr(network, name).register_forward_hook(note)

    handles = [watch(name) for name in ("conv1", "conv2", "lstm1", "lstm2", "dense")]
    assert network(torch.zeros(2, 24, 5)).shape == (2, 12, 5)
    for handle in handles:
        handle.remove()
    assert seen == {
        "conv1": (2, 64, 22),
        "conv2": (2, 32, 9),
        "lstm1": (2, 4, 64),
        "lstm2": (2, 4, 32),
        "dense": (2, 64),
    }


def test_it_has_as_many_parameters_as_the_papers_layers_in_keras() -> None:
    f = 15
    convolutions = (3 * f * 64 + 64) + (3 * 64 * 32 + 32)
    lstms = 4 * 64 * (32 + 64 + 1) + 4 * 32 * (64 + 32 + 1)
    dense = (32 * 64 + 64) + (64 * 12 * f + 12 * f)
    trained = sum(p.numel() for p in a_network(f).parameters() if p.requires_grad)
    assert trained == convolutions + lstms + dense


def test_the_named_weights_are_the_networks() -> None:
    state = a_network(9).state_dict()
    assert weight_shapes(9) == {name: tuple(weight.shape) for name, weight in state.items()}


# The forecaster


def test_a_forecast_is_in_the_bands_unit() -> None:
    model = a_model()
    history = a_history(model)
    forecast = model.forecast(history)
    assert forecast is not None
    assert forecast.shape == (12, 5)
    assert forecast.dtype == np.float32
    shifted = dataclasses.replace(model, mean_db=model.mean_db + 10)
    up = shifted.forecast(dataclasses.replace(history, values=history.values + 10))
    np.testing.assert_allclose(up, forecast + 10, atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_it_is_not_ready_for_a_history_that_is_not_finite(bad: float) -> None:
    model = a_model()
    history = a_history(model)
    values = history.values.copy()
    values[3, 2] = bad
    assert model.forecast(dataclasses.replace(history, values=values)) is None


def test_observing_changes_nothing() -> None:
    model = a_model()
    before = model.forecast(a_history(model))
    model.gap()
    model.reset()
    np.testing.assert_array_equal(model.forecast(a_history(model)), before)


def test_another_geometry_is_refused_in_one_line() -> None:
    model = a_model()
    with pytest.raises(BadInput) as wrong_count:
        model.forecast(
            a_history(model, frequencies_hz=model.frequencies_hz[:4], values=np.zeros((24, 4), np.float32))
        )
    assert str(wrong_count.value) == (
        "forecast model: the band's frequencies are 4 at 868.000..868.003 MHz, "
        "the model was trained on 5 at 868.000..868.004 MHz"
    )
    with pytest.raises(BadInput, match=r"the band's step is 120 s, the model was trained on 60 s"):
        model.forecast(a_history(model, step_s=120.0))
    with pytest.raises(BadInput, match=r"5 at 869\.000\.\.869\.004 MHz, the model was trained on 5 at 868"):
        model.forecast(a_history(model, frequencies_hz=model.frequencies_hz + 1e6))
    with pytest.raises(BadInput, match=r"the band's unit is counts, the model was trained on dBm/bin"):
        model.check(model.frequencies_hz, 60.0, "counts")
    model.check(model.frequencies_hz + 100, 60.0, "dBm/bin")  # a tenth of the spacing off


def test_the_agent_runs_it_without_torch(tmp_path: Path) -> None:
    a_model().save(tmp_path)
    code = (
        "import sys\n"
        "from bandwatch.models.contest import Contest\n"
        "from bandwatch.models.forecasters.cnn_lstm import CnnLstm\n"
        "from bandwatch.models.forecasters.nlinear import NLinear\n"
        f"CnnLstm.load({str(tmp_path)!r}).forecast_many(__import__('numpy').zeros((1, 24, 5), 'float32'))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# A restart


def test_the_same_network_knows_its_state_and_another_does_not() -> None:
    model = a_model()
    dataclasses.replace(model).restore(model.state())
    louder = dataclasses.replace(model, mean_db=model.mean_db + 1)
    retrained = dataclasses.replace(
        model, weights=dict(model.weights) | {"output.bias": model.weights["output.bias"] + 1}
    )
    for other in (louder, retrained, a_model(6)):
        message = f"state of cnn-lstm: network is {model.state()['network']!r}, needs {{}}"
        assert_refuses(
            lambda other=other: other, model.state(), message.format(repr(other.state()["network"]))
        )
    assert_refuses_spoiled(lambda: model, model.state())


# The folder


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    model = a_model()
    model.save(tmp_path / "new")
    loaded = CnnLstm.load(tmp_path / "new")
    assert same_weights(loaded, model)
    for name in ("frequencies_hz", "unit", "step_s", "mean_db", "scale_db", "figures"):
        assert same(getattr(loaded, name), getattr(model, name)), name
    np.testing.assert_array_equal(loaded.forecast(a_history(model)), model.forecast(a_history(model)))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "gru", "kind is 'gru', must be 'cnn-lstm'"),
        ("version", 2, "version is 2, must be 1"),
        ("unit", "volts", "unit is 'volts', must be one of dBFS/bin"),
        ("step_s", 0, "step_s is 0, must be a finite number above 0"),
        ("step_s", float("nan"), "step_s is nan, must be a finite number above 0"),
        ("frequencies_hz", [], "frequencies_hz is 0 values, must be a list of 1 to 256 numbers"),
        ("frequencies_hz", 5, "frequencies_hz is 5, must be a list of 1 to 256 numbers"),
        ("frequencies_hz", [1.0, "x"], "frequencies_hz holds 'x', must be finite numbers"),
        ("frequencies_hz", [1.0, 2.0], "normalisation.mean_db has 5 values, must have as many as"),
        ("normalisation", None, "normalisation is NoneType, must be a map"),
        (
            "normalisation",
            {"mean_db": [0.0] * 5, "scale_db": [1.0, 1.0, 0.0, 1.0, 1.0]},
            "normalisation.scale_db holds 0, must be above 0",
        ),
        (
            "normalisation",
            {"mean_db": [0.0] * 5, "scale_db": [float("inf")] * 5},
            "normalisation.scale_db holds inf, must be finite numbers",
        ),
    ],
)
def test_a_bad_description_is_refused(tmp_path: Path, field: str, value: object, message: str) -> None:
    a_model().save(tmp_path)
    path = tmp_path / "forecast.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {field: value}))
    with pytest.raises(BadInput) as refused:
        CnnLstm.load(tmp_path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"a: [", b"\xff\xfe\x00bad"])
def test_a_description_that_is_not_a_map_is_refused(tmp_path: Path, content: bytes) -> None:
    a_model().save(tmp_path)
    (tmp_path / "forecast.yaml").write_bytes(content)
    with pytest.raises(BadInput) as refused:
        CnnLstm.load(tmp_path)
    assert "forecast.yaml: is " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_weights_that_are_missing_cut_short_or_spoiled_are_refused(tmp_path: Path) -> None:
    a_model().save(tmp_path)
    path = tmp_path / "forecast.safetensors"
    whole = path.read_bytes()
    arrays = read_arrays(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(BadInput, match=r"forecast\.safetensors: "):
        CnnLstm.load(tmp_path)
    write_tensors(path, arrays | {"dense.bias": np.full(64, np.nan, np.float32)})
    with pytest.raises(BadInput, match=r"'dense\.bias' holds NaN or infinity"):
        CnnLstm.load(tmp_path)
    write_tensors(path, arrays | {"dense.bias": np.zeros(63, np.float32)})
    with pytest.raises(BadInput, match=r"'dense\.bias' has shape \[63\], needs \[64\]"):
        CnnLstm.load(tmp_path)
    path.unlink()
    with pytest.raises(BadInput, match="no such file"):
        CnnLstm.load(tmp_path)


# Training


def test_training_learns_a_wave_far_better_than_repeating() -> None:
    figures: list[EpochFigures] = []
    model = train_cnn_lstm(a_table(600), epochs=5, progress=figures.append)
    assert [f.epoch for f in figures] == [1, 2, 3, 4, 5]
    assert figures[-1].training_loss < 0.5 * figures[0].training_loss
    assert model.figures["validation_rmse_db"] < 0.5 * model.figures["validation_repeat_last_rmse_db"]
    assert model.figures["validation_rmse_db"] == pytest.approx(figures[-1].validation_rmse_db, abs=1e-4)


def test_the_validation_figure_is_that_of_the_model_it_returns() -> None:
    table = a_table()
    model = train_cnn_lstm(table, epochs=1, iterations=2)
    origins = range(192, 240 - 11)
    histories = np.stack([table.values[o - 24 : o] for o in origins])
    truth = np.stack([table.values[o : o + 12] for o in origins])
    rmse_db = np.sqrt(np.square(model.forecast_many(histories) - truth).mean())
    assert model.figures["validation_rmse_db"] == pytest.approx(rmse_db, abs=1e-3)
    repeated = np.sqrt(np.square(histories[:, -1:] - truth).mean())
    assert model.figures["validation_repeat_last_rmse_db"] == pytest.approx(repeated, abs=1e-3)


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    one = train_cnn_lstm(a_table(), seed=4, epochs=2, iterations=5)
    torch.randn(3)
    other = train_cnn_lstm(a_table(), seed=4, epochs=2, iterations=5)
    assert same_weights(one, other)
    assert not same_weights(one, train_cnn_lstm(a_table(), seed=5, epochs=2, iterations=5))
    torch.set_rng_state(state)
    train_cnn_lstm(a_table(), epochs=1, iterations=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


class Killed(Exception):
    pass


def test_a_training_killed_between_epochs_goes_on_to_the_same_result(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "checkpoint.safetensors"

    def kill(figures: EpochFigures) -> None:
        if figures.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train_cnn_lstm(a_table(), epochs=4, iterations=5, checkpoint=path, progress=kill)
    torch.randn(10)
    epochs: list[int] = []
    resumed = train_cnn_lstm(
        a_table(), epochs=4, iterations=5, checkpoint=path, progress=lambda f: epochs.append(f.epoch)
    )
    whole = train_cnn_lstm(a_table(), epochs=4, iterations=5)
    assert epochs == [2, 3, 4]  # the one it goes on from is told, too
    assert same_weights(resumed, whole)
    assert resumed.figures == whole.figures
    again = train_cnn_lstm(a_table(), epochs=4, iterations=5, checkpoint=path)
    assert same_weights(again, whole)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    train_cnn_lstm(a_table(), epochs=1, iterations=1, checkpoint=path)
    for other in (a_table(seed=1), a_table(unit="dB"), a_table(breaks=(3,))):
        with pytest.raises(BadInput, match=r"checkpoint\.safetensors: "):
            train_cnn_lstm(other, epochs=1, iterations=1, checkpoint=path)
    with pytest.raises(BadInput, match=r"checkpoint\.safetensors: "):
        train_cnn_lstm(a_table(), epochs=1, iterations=1, seed=1, checkpoint=path)


def test_neither_weights_nor_scaling_come_from_the_held_out_rows() -> None:
    table = a_table()
    changed = table.values.copy()
    changed[192:] += 1000
    one = train_cnn_lstm(table, epochs=1, iterations=5)
    other = train_cnn_lstm(dataclasses.replace(table, values=changed), epochs=1, iterations=5)
    assert same_weights(one, other)
    np.testing.assert_array_equal(one.mean_db, other.mean_db)
    np.testing.assert_array_equal(one.scale_db, other.scale_db)


def test_windows_span_no_break_and_no_row_that_is_not_finite() -> None:
    values = a_table(400).values.copy()
    values[150, 2] = np.nan
    table = a_table(400, values=values, breaks=(0, 80, 350))
    split = ForecastSplit.of(table)

    def whole(first: int) -> bool:
        crosses = any(first < at < first + 36 for at in (80, 350))
        return not crosses and not first <= 150 < first + 36

    assert split.training.tolist() == [f for f in range(365) if f + 36 <= 320 and whole(f)]
    assert split.validation.tolist() == [f for f in range(365) if f + 24 >= 320 and whole(f)]
    seen = np.delete(values[:320], 150, axis=0)
    np.testing.assert_allclose(split.mean_db, seen.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(split.scale_db, seen.std(axis=0), rtol=1e-4)


def test_a_frequency_that_never_moved_gets_a_tenth_of_the_bands_scale() -> None:
    values = a_table().values.copy()
    values[:, 3] = -50
    split = ForecastSplit.of(a_table(values=values))
    of_the_band_db = np.sqrt(np.square(values[:192].std(axis=0)).mean())
    assert split.scale_db[3] == pytest.approx(0.1 * of_the_band_db, rel=1e-3)
    still = ForecastSplit.of(a_table(values=np.full((240, 5), -50, np.float32)))
    assert (still.scale_db == 1).all()


def test_too_little_to_train_on_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        train_cnn_lstm(a_table(60))
    assert str(refused.value) == (
        "forecast training of node/band: 60 steps give 13 training and 1 validation windows "
        "of 36 unbroken steps, needs at least 32 and 1"
    )
    with pytest.raises(BadInput, match="20 steps give 0 training and 0 validation"):
        train_cnn_lstm(a_table(20))
    with pytest.raises(BadInput, match="0 epochs of 50 iterations, needs at least 1 each"):
        train_cnn_lstm(a_table(), epochs=0)


def test_the_simulated_band_can_be_learnt() -> None:
    (table,) = gather_steps([simulated_rows(3, 150, 2.0)], step_s=2.0)
    model = train_cnn_lstm(table, epochs=1, iterations=1)
    assert model.frequencies_hz.size == 256
    assert model.unit == "dBFS/bin"
    assert model.step_s == 2.0
    assert model.figures["rows"] == 150
    assert read_only(model.mean_db).max() < 0
