"""An encoder taught what simulated windows show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bandwatch.models.checkpoint import save_checkpoint
from bandwatch.models.taught_encoder import TaughtConfig, teach_encoder
from bandwatch.models.taught_training import TaughtTraining
from bandwatch.models.taught_windows import TaughtWindows, taught_windows
from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_energy import energy_truth
from bandwatch.models.window_features import FEATURES
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.named_scenes import scene_named
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.windows import ABOVE_FLOOR_DB, BELOW_FLOOR_DB

KINDS = ("carrier", "stripe")
CONFIG = TaughtConfig(width=2, epochs=3, batch=16, learning_rate=0.01, precision="float32", seed=5)


class Killed(Exception):
    pass


def stripes_and_carriers(count: int = 96) -> TaughtWindows:
    """A third each: nothing, an upright line, a level one; 20 dB over a noisy floor."""
    random = np.random.default_rng(1)
    level_db = random.normal(0, 1, (count, 128, 128))
    energies = np.zeros((count, 2), dtype=np.float32)
    for number in range(count):
        place = int(random.integers(20, 100))
        if number % 3 == 1:
            level_db[number, :, place : place + 3] = 20
            energies[number, 0] = 100 * 128 * 3
        if number % 3 == 2:
            level_db[number, place : place + 3] = 20
            energies[number, 1] = 100 * 128 * 3
    values = np.clip((level_db + BELOW_FLOOR_DB) / (BELOW_FLOOR_DB + ABOVE_FLOOR_DB), 0, 1)
    measures = np.zeros((count, len(FEATURES)), dtype=np.float32)
    return TaughtWindows(values.astype(np.float16), KINDS, energies, measures)


def answered(taught: TaughtWindows, network: torch.nn.Module) -> np.ndarray:
    with torch.inference_mode():
        features = network(torch.from_numpy(taught.windows.astype(np.float32))[:, None])
        return network.answers(features).main.argmax(1).numpy()


def test_it_tells_kinds_apart_that_it_was_taught():
    taught = stripes_and_carriers()
    network, epochs = teach_encoder(taught, replace(CONFIG, epochs=12))
    told = answered(taught, network)
    assert (told == np.arange(len(taught)) % 3).mean() > 0.95
    assert epochs[-1].loss < epochs[0].loss / 2
    assert epochs[-1].accuracy > epochs[0].accuracy


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, precision):
    taught = stripes_and_carriers(48)
    config = replace(CONFIG, precision=precision)
    whole, epochs = teach_encoder(taught, config)
    checkpoint = tmp_path / "teaching"
    batches = 0

    def kill_in_the_second_epoch() -> None:
        nonlocal batches
        batches += 1
        if batches == 5:
            raise Killed

    with pytest.raises(Killed):
        teach_encoder(taught, config, checkpoint=checkpoint, on_batch=kill_in_the_second_epoch)
    resumed, again = teach_encoder(taught, config, checkpoint=checkpoint)
    assert again == epochs
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_checkpoint_of_other_lessons_is_refused(tmp_path):
    taught = stripes_and_carriers(48)
    other = TaughtTraining(taught, replace(CONFIG, seed=6), "cpu")
    save_checkpoint(tmp_path / "teaching", other.fingerprint(), *other.state())
    with pytest.raises(BadInput, match="of a training with other settings or windows"):
        teach_encoder(taught, CONFIG, checkpoint=tmp_path / "teaching")


def test_fewer_windows_than_a_batch_are_refused():
    with pytest.raises(BadInput, match="15 training windows: a batch is 16"):
        teach_encoder(stripes_and_carriers(15), CONFIG)


def test_two_processes_give_the_windows_and_truths_of_one():
    bands = [("varied", 3), ("broad", 4)]
    taught = taught_windows(bands, 6)
    simulator = Simulator(3, scene=scene_named("varied", 3))
    for number, window in zip(range(6), cut_windows(simulator.frames(), 128), strict=False):
        truth = energy_truth(window, simulator.truth, simulator.scene.averaged_spectra)
        told = {kind: e for kind, e in zip(taught.kinds, taught.energies[number], strict=True) if e}
        assert told == {kind: pytest.approx(truth.by_kind[kind].energy) for kind in truth.kinds}
        assert np.array_equal(taught.windows[number], window.values.astype(np.float16))
    again = taught_windows(bands, 6, processes=2)
    assert again.kinds == taught.kinds
    for name in ("windows", "energies", "measures"):
        assert np.array_equal(getattr(again, name), getattr(taught, name)), name


def test_no_band_teaches_nothing():
    with pytest.raises(BadInput, match="0 bands of 6 windows"):
        taught_windows([], 6)
