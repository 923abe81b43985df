"""The encoder teaches itself, the same way each time, and goes on after a kill as if there had been none."""

import dataclasses
import json
import math
import multiprocessing
import os
import signal
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score

from bandwatch.models.augmentation import augment
from bandwatch.models.checkpoint import (
    forget_checkpoint,
    give_tensors,
    load_checkpoint,
    save_checkpoint,
    tensors_of,
)
from bandwatch.models.clustering import fit_centres, fit_projection
from bandwatch.models.deepcluster import DeepClusterConfig, train_deepcluster, train_encoder
from bandwatch.models.encoder import weights_of
from bandwatch.models.head import Head
from bandwatch.models.precision import chosen_precision
from bandwatch.models.pseudo_labels import even_draw
from bandwatch.models.training_curves import CurveLog
from bandwatch.pipeline.errors import BadInput

CONFIG = DeepClusterConfig(
    width=2, clusters=4, components=6, cycle=2, epochs=4, batch=16, precision="float32", seed=1
)
NARROW = dataclasses.replace(CONFIG, precision="bfloat16")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with nothing, a stripe across, a stripe along or a block: windows and kinds."""
    random = np.random.default_rng(seed)
    kinds = random.integers(4, size=count)
    windows = random.normal(0.125, 0.03, (count, 128, 128))
    for window, kind in zip(windows, kinds, strict=True):
        row, column = random.integers(20, 100, 2)
        if kind == 1:
            window[row : row + 6] += 0.5
        if kind == 2:
            window[:, column : column + 6] += 0.5
        if kind == 3:
            window[row - 20 : row + 20, column - 20 : column + 20] += 0.5
    return windows.clip(0, 1).astype(np.float16), kinds


@pytest.fixture(scope="module")
def windows():
    return pictures(48)[0]


@pytest.fixture(scope="module")
def trained(windows):
    return train_encoder(windows, CONFIG)


@pytest.fixture(scope="module", params=[CONFIG, NARROW], ids=["float32", "bfloat16"])
def whole(request, windows):
    """A training from start to end, and its configuration."""
    return request.param, train_deepcluster(windows, request.param)


def weights_equal(one, other) -> bool:
    ours, theirs = weights_of(one), weights_of(other)
    return all(np.array_equal(ours[name], theirs[name]) for name in ours)


def heads_equal(one: Head, other: Head) -> bool:
    return all(
        np.array_equal(*pair)
        for pair in (
            (one.weight, other.weight),
            (one.bias, other.bias),
            (one.centres, other.centres),
            (one.projection.components, other.projection.components),
        )
    )


def features_of(encoder, windows) -> np.ndarray:
    with torch.no_grad():
        return encoder(torch.from_numpy(windows).float()[:, None]).numpy()


def test_training_goes_in_cycles_and_says_what_each_epoch_came_to(trained):
    _, epochs = trained
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3]
    assert [epoch.reclustered for epoch in epochs] == [True, False, True, False]
    assert [epoch.nmi is None for epoch in epochs] == [True, True, False, True]
    assert [epoch.changed is None for epoch in epochs] == [True, True, False, True]
    assert [epoch.size_entropy is None for epoch in epochs] == [False, True, False, True]
    assert all(0 < epoch.loss < 3 * math.log(4) and 0 <= epoch.accuracy <= 1 for epoch in epochs)


def test_an_epochs_seconds_are_the_clocks(windows):
    seconds = iter([100.0, 107.5])
    config = dataclasses.replace(CONFIG, epochs=1)
    (epoch,) = train_deepcluster(windows, config, clock=lambda: next(seconds)).epochs
    assert epoch.seconds == 7.5
    assert dataclasses.replace(epoch, seconds=1.0) == epoch  # they say nothing of what was learnt


def test_the_encoder_comes_back_ready_for_use(trained):
    encoder, _ = trained
    assert not encoder.training


def test_training_twice_gives_the_same_bits(windows, trained):
    encoder, epochs = train_encoder(windows, CONFIG)
    assert epochs == trained[1]
    assert weights_equal(encoder, trained[0])


def test_another_seed_gives_another_encoder(windows, trained):
    encoder, _ = train_encoder(windows, dataclasses.replace(CONFIG, seed=2, epochs=1))
    assert not weights_equal(encoder, trained[0])


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def learnt(request):
    shown, kinds = pictures(160)
    config = DeepClusterConfig(
        width=4, clusters=6, components=8, cycle=4, epochs=8, batch=16, learning_rate=0.03, seed=3
    )
    config = dataclasses.replace(config, precision=request.param)
    return shown, kinds, train_deepcluster(shown, config)


class TestWhatItLearns:
    def test_its_clusters_within_a_cycle(self, learnt):
        *_, result = learnt
        assert result.epochs[-1].loss < result.epochs[4].loss
        assert result.epochs[-1].loss < 0.8 * math.log(6)

    def test_the_kinds_apart(self, learnt):
        shown, kinds, result = learnt
        features = features_of(result.encoder, shown)
        _, labels = fit_centres(fit_projection(features, 8).points(features), 6, seed=0)
        assert normalized_mutual_info_score(kinds, labels) > 0.5

    def test_a_head_that_names_the_final_clusters_by_their_numbers(self, learnt):
        shown, _, result = learnt
        features = features_of(result.encoder, shown)
        assert np.array_equal(result.head.nearest(features), result.labels)
        right = result.head.clusters(features) == result.labels
        assert right.mean() == pytest.approx(result.figures["head_agreement"])
        each = [right[result.labels == cluster].mean() for cluster in range(6)]
        assert min(each) == pytest.approx(result.figures["head_agreement_worst"])
        assert min(each) > 0.9
        # The last epochs' layer, its rows put in order and no more, is not that: hence the fit.
        assert result.figures["head_agreement_matched"] < right.mean()

    def test_a_head_that_names_the_clusters_of_windows_it_has_not_seen(self, learnt):
        *_, result = learnt
        features = features_of(result.encoder, pictures(160, seed=9)[0])
        assert (result.head.clusters(features) == result.head.nearest(features)).mean() > 0.8


@pytest.mark.parametrize(("optimizer", "stopped_after"), [("adam", 1), ("adam", 3), ("sgd", 1), ("sgd", 2)])
def test_going_on_from_a_checkpoint_gives_the_same_bits(windows, tmp_path, stopped_after, optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, learning_rate=0.01)
    whole, epochs = train_encoder(windows, config)
    path = tmp_path / "made" / "checkpoint"
    train_encoder(windows, dataclasses.replace(config, epochs=stopped_after), checkpoint=path)
    told = []
    encoder, again = train_encoder(windows, config, checkpoint=path, on_epoch=told.append)
    assert again == told == epochs
    assert weights_equal(encoder, whole)


def _train_until_killed(path, windows, config):
    log = CurveLog(path.with_name("curves.jsonl"))

    def kill(epoch):
        log.add(epoch)
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    train_deepcluster(windows, config, checkpoint=path, on_epoch=kill)


def test_a_training_killed_outright_goes_on_to_the_same_bits(windows, whole, tmp_path):
    config, expected = whole
    path, curves = tmp_path / "checkpoint", tmp_path / "curves.jsonl"
    process = multiprocessing.get_context("spawn").Process(
        target=_train_until_killed, args=(path, windows, config)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    assert [json.loads(line)["number"] for line in curves.read_text().splitlines()] == [0, 1, 2]
    result = train_deepcluster(windows, config, checkpoint=path, on_epoch=CurveLog(curves).add)
    assert result.epochs == expected.epochs
    assert weights_equal(result.encoder, expected.encoder)
    assert heads_equal(result.head, expected.head)
    assert np.array_equal(result.labels, expected.labels)
    assert result.figures == expected.figures
    lines = [json.loads(line) for line in curves.read_text().splitlines()]
    assert [(line["number"], line["loss"]) for line in lines] == [(e.number, e.loss) for e in expected.epochs]


def test_killed_after_its_last_epoch_it_has_only_the_head_to_fit(windows, whole, tmp_path):
    config, expected = whole
    train_encoder(windows, config, checkpoint=tmp_path / "checkpoint")
    batches = []
    result = train_deepcluster(
        windows, config, checkpoint=tmp_path / "checkpoint", on_batch=lambda: batches.append(1)
    )
    assert batches == []
    assert heads_equal(result.head, expected.head)


def test_bfloat16_rounds_otherwise_than_float32(windows, trained):
    encoder, _ = train_encoder(windows, NARROW)
    assert not weights_equal(encoder, trained[0])
    assert all(array.dtype == np.float32 for array in weights_of(encoder).values())


def test_the_hardware_decides_between_them():
    assert chosen_precision("float32", "cpu") == "float32"
    assert chosen_precision("bfloat16", "cpu") == "bfloat16"
    cpu = Path("/proc/cpuinfo")
    has_tiles = cpu.exists() and "amx_tile" in cpu.read_text().split()
    assert chosen_precision("auto", "cpu") == ("bfloat16" if has_tiles else "float32")


def test_a_finished_training_is_only_read(windows, trained, tmp_path):
    path = tmp_path / "checkpoint"
    train_encoder(windows, CONFIG, checkpoint=path)
    batches = []
    encoder, _ = train_encoder(windows, CONFIG, checkpoint=path, on_batch=lambda: batches.append(1))
    assert batches == []
    assert weights_equal(encoder, trained[0])


@pytest.mark.parametrize(
    "change",
    [{"seed": 9}, {"cycle": 1}, {"learning_rate": 0.5}, {"width": 3}, {"precision": "bfloat16"}],
)
def test_a_checkpoint_of_another_training_is_refused(windows, tmp_path, change):
    path = tmp_path / "checkpoint"
    config = dataclasses.replace(CONFIG, epochs=1)
    train_encoder(windows, config, checkpoint=path)
    with pytest.raises(BadInput) as refused:
        train_encoder(windows, dataclasses.replace(config, **change), checkpoint=path)
    assert str(refused.value) == (
        f"{path}: of a training with other settings or windows; start anew with --no-resume"
    )
    with pytest.raises(BadInput, match="other settings or windows"):
        train_encoder(windows[:-1], config, checkpoint=path)


def test_a_checkpoint_of_more_epochs_than_asked_for_is_refused(windows, tmp_path):
    path = tmp_path / "checkpoint"
    train_encoder(windows, dataclasses.replace(CONFIG, epochs=2), checkpoint=path)
    with pytest.raises(BadInput) as refused:
        train_encoder(windows, dataclasses.replace(CONFIG, epochs=1), checkpoint=path)
    assert str(refused.value) == (
        f"{path}: of 2 epochs, more than the 1 asked for; ask for as many or start anew with --no-resume"
    )


def test_training_holds_no_second_copy_of_its_windows(tmp_path):
    shown = pictures(512)[0]
    train_encoder(shown[:16], dataclasses.replace(CONFIG, epochs=1))  # scikit-learn is loaded by now
    config = dataclasses.replace(CONFIG, epochs=1)
    tracemalloc.start()
    train_encoder(shown, config, checkpoint=tmp_path / "checkpoint")
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < shown.nbytes / 4


def test_a_forgotten_checkpoint_takes_its_folder_along_only_if_nothing_else_is_there(tmp_path):
    folder = tmp_path / "bundle.training"
    forget_checkpoint(folder / "encoder.checkpoint")
    folder.mkdir()
    for name in ("encoder.checkpoint", ".encoder.checkpoint.k3w", "roof+srd.safetensors"):
        (folder / name).write_bytes(b"")
    forget_checkpoint(folder / "encoder.checkpoint")
    assert [left.name for left in folder.iterdir()] == ["roof+srd.safetensors"]
    forget_checkpoint(folder / "roof+srd.safetensors")
    assert not folder.exists()


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_broken_checkpoint_is_refused(windows, tmp_path, kept):
    path = tmp_path / "checkpoint"
    train_encoder(windows, dataclasses.replace(CONFIG, epochs=1), checkpoint=path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadInput, match="not a whole checkpoint"):
        train_encoder(windows, CONFIG, checkpoint=path)


def test_an_optimizer_that_has_not_stepped_survives_a_checkpoint(tmp_path):
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters())
    save_checkpoint(tmp_path / "file", "x", tensors_of(optimizer), {"epochs": []})
    arrays, facts = load_checkpoint(tmp_path / "file", "x")
    give_tensors(optimizer, arrays)
    assert (arrays, facts) == ({}, {"epochs": []})


def test_too_few_windows_are_refused(windows):
    with pytest.raises(BadInput) as refused:
        train_encoder(windows[:7], CONFIG)
    assert str(refused.value) == "7 training windows: 4 clusters need at least 8"


def test_windows_that_are_all_alike_train_to_the_end_and_are_one_cluster():
    result = train_deepcluster(np.full((16, 128, 128), 0.125, np.float16), CONFIG)
    assert len(result.epochs) == 4
    assert all(np.isfinite(array).all() for array in weights_of(result.encoder).values())
    assert (result.head.cluster_count, result.figures["head_agreement"]) == (1, 1.0)


def test_torchs_own_random_state_is_left_alone(windows):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_encoder(windows, dataclasses.replace(CONFIG, epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_every_cluster_is_drawn_equally_often_however_large():
    labels = np.array([7] * 900 + [2] * 90 + [5] * 10)
    drawn = even_draw(labels, 30_000, torch.Generator().manual_seed(0)).numpy()
    for label in (2, 5, 7):
        assert (labels[drawn] == label).mean() == pytest.approx(1 / 3, abs=0.01)
    assert set(drawn) == set(range(1000))


class TestAugmentation:
    def test_moves_and_mirrors_but_keeps_what_is_there(self):
        window = torch.full((1, 128, 128), 0.125)
        window[0, 10:20, 30:40] = 0.9
        seen = augment(window.repeat(64, 1, 1), torch.Generator().manual_seed(0))
        # Noise of a pixel goes with the root of ten in the mean of a stretch of ten.
        columns, rows = set(), set()
        for picture in seen:
            columns.add(round(int(picture.unfold(1, 10, 1).mean(2).max(0).values.argmax()), -1))
            rows.add(int(picture.mean(1).argmax()))
        assert columns == {30, 90}  # bins 30 to 39 mirrored are 88 to 97
        assert len(rows) > 30

    def test_changes_level_tilt_and_noise_of_each_window_for_itself(self):
        seen = 40 * augment(torch.full((400, 128, 128), 0.5), torch.Generator().manual_seed(0))
        levels_db, slopes_db = seen.mean((1, 2)), seen[..., -32:].mean((1, 2)) - seen[..., :32].mean((1, 2))
        assert levels_db.std() == pytest.approx(2, rel=0.1)
        assert slopes_db.abs().max() == pytest.approx(2 * 3 * 0.755, rel=0.05)
        noise_db = (seen[:, 1:] - seen[:, :-1]).std((1, 2)) / math.sqrt(2)
        assert noise_db.max() == pytest.approx(3, rel=0.05)
        assert noise_db.min() < 0.1

    def test_stays_within_zero_and_one_and_leaves_its_input(self):
        windows = torch.rand((8, 128, 128)).round()
        before = windows.clone()
        seen = augment(windows, torch.Generator().manual_seed(0))
        assert (seen.min(), seen.max()) == (0, 1)
        assert torch.equal(windows, before)

    def test_is_the_same_for_the_same_seed(self):
        windows = torch.rand((4, 128, 128))
        one, other = (augment(windows, torch.Generator().manual_seed(4)) for _ in range(2))
        assert torch.equal(one, other)
