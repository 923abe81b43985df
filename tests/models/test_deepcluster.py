"""The encoder teaches itself, the same way each time, and goes on after a kill as if there had been none."""

import dataclasses
import math
import multiprocessing
import os
import signal
import tracemalloc

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
from bandwatch.models.deepcluster import DeepClusterConfig, train_encoder
from bandwatch.models.pseudo_labels import even_draw
from bandwatch.models.encoder import weights_of
from bandwatch.pipeline.errors import BadInput

CONFIG = DeepClusterConfig(width=2, clusters=4, components=6, cycle=2, epochs=4, batch=16, seed=1)


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


def weights_equal(one, other) -> bool:
    ours, theirs = weights_of(one), weights_of(other)
    return all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_training_goes_in_cycles_and_says_what_each_epoch_came_to(trained):
    _, epochs = trained
    assert [epoch.number for epoch in epochs] == [0, 1, 2, 3]
    assert [epoch.reclustered for epoch in epochs] == [True, False, True, False]
    assert [epoch.nmi is None for epoch in epochs] == [True, True, False, True]
    assert all(0 < epoch.loss < 3 * math.log(4) and 0 <= epoch.accuracy <= 1 for epoch in epochs)


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


def test_it_learns_its_clusters_within_a_cycle_and_tells_the_kinds_apart():
    shown, kinds = pictures(160)
    config = DeepClusterConfig(
        width=4, clusters=6, components=8, cycle=4, epochs=8, batch=16, learning_rate=0.03, seed=3
    )
    encoder, epochs = train_encoder(shown, config)
    assert epochs[-1].loss < epochs[4].loss
    assert epochs[-1].loss < 0.8 * math.log(6)
    with torch.no_grad():
        features = encoder(torch.from_numpy(shown).float()[:, None]).numpy()
    _, labels = fit_centres(fit_projection(features, 8).points(features), 6, seed=0)
    assert normalized_mutual_info_score(kinds, labels) > 0.5


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


def _train_until_killed(path, windows):
    def kill(epoch):
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    train_encoder(windows, CONFIG, checkpoint=path, on_epoch=kill)


def test_a_training_killed_outright_goes_on(windows, trained, tmp_path):
    path = tmp_path / "checkpoint"
    process = multiprocessing.get_context("spawn").Process(target=_train_until_killed, args=(path, windows))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    encoder, epochs = train_encoder(windows, CONFIG, checkpoint=path)
    assert epochs == trained[1]
    assert weights_equal(encoder, trained[0])


def test_a_finished_training_is_only_read(windows, trained, tmp_path):
    path = tmp_path / "checkpoint"
    train_encoder(windows, CONFIG, checkpoint=path)
    batches = []
    encoder, _ = train_encoder(windows, CONFIG, checkpoint=path, on_batch=lambda: batches.append(1))
    assert batches == []
    assert weights_equal(encoder, trained[0])


@pytest.mark.parametrize("change", [{"seed": 9}, {"cycle": 1}, {"learning_rate": 0.5}, {"width": 3}])
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


def test_windows_that_are_all_alike_train_without_end_or_error():
    encoder, epochs = train_encoder(np.full((16, 128, 128), 0.125, np.float16), CONFIG)
    assert len(epochs) == 4
    assert all(np.isfinite(array).all() for array in weights_of(encoder).values())


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
