"""Both engines give what the network gives, whatever comes together; torch is loaded only where needed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.encoder_weights import write_weights
from bandwatch.models.engine import GPU_DEVICE_FILES, OrtEngine, TorchEngine, choose_device, open_engine
from bandwatch.pipeline.errors import BadInput

WIDTH = 8


@pytest.fixture(scope="module")
def encoder():
    """An encoder with batch statistics of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = Encoder(EncoderConfig(WIDTH)).train()
        for level in (0.2, 0.5, 0.9):
            encoder(torch.rand(8, 1, 128, 128) * level)
    return encoder.eval()


@pytest.fixture(scope="module")
def weights(encoder):
    return weights_of(encoder)


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).random((9, 128, 128), dtype=np.float32)


@pytest.fixture(scope="module")
def truth(encoder, windows):
    with torch.no_grad():
        return encoder(torch.from_numpy(windows)[:, None]).numpy()


@pytest.mark.parametrize("threads", [1, 2])
def test_onnx_runtime_gives_what_torch_gives(weights, windows, truth, threads):
    engine = OrtEngine(weights, WIDTH, threads=threads, cache_directory=None)
    assert engine.dimensions == truth.shape[1]
    np.testing.assert_allclose(engine.embed(windows), truth, atol=1e-5, rtol=1e-4)


def test_the_torch_engine_gives_what_torch_gives(weights, windows, truth):
    engine = TorchEngine(weights, WIDTH, device="cpu", batch=4)
    np.testing.assert_allclose(engine.embed(windows), truth, atol=1e-5, rtol=1e-4)


def test_a_cuda_gpu_gives_what_the_processor_gives(weights, windows, truth):
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")
    engine = open_engine(weights, WIDTH, device="cuda")
    assert engine.device == "cuda:0"
    features = engine.embed(windows)
    np.testing.assert_allclose(features, truth, atol=1e-4, rtol=1e-3)
    assert np.array_equal(features, np.concatenate([engine.embed(windows[i : i + 1]) for i in range(9)]))


@pytest.mark.parametrize(
    "make",
    [
        lambda weights: OrtEngine(weights, WIDTH, threads=1, cache_directory=None),
        lambda weights: OrtEngine(weights, WIDTH, threads=2, cache_directory=None),
        lambda weights: TorchEngine(weights, WIDTH, device="cpu", batch=4),
    ],
    ids=["onnx runtime", "onnx runtime, two threads", "torch"],
)
def test_a_window_gives_the_same_bits_alone_and_among_others(weights, windows, make):
    engine = make(weights)
    together = engine.embed(windows)
    singly = np.concatenate([engine.embed(windows[i : i + 1]) for i in range(len(windows))])
    assert together.dtype == np.float32
    assert np.array_equal(together, singly)
    assert np.array_equal(together[2:7], engine.embed(windows[2:7]))


def test_more_windows_than_a_batch_come_in_order(weights, windows):
    engine = OrtEngine(weights, WIDTH, threads=1, cache_directory=None)
    many = np.concatenate([windows] * 8)
    assert np.array_equal(engine.embed(many), np.concatenate([engine.embed(windows)] * 8))


def test_no_windows_give_no_features(weights, windows):
    for engine in (
        OrtEngine(weights, WIDTH, threads=1, cache_directory=None),
        TorchEngine(weights, WIDTH, device="cpu"),
    ):
        assert engine.embed(windows[:0]).shape == (0, 8 * WIDTH)


def test_windows_are_left_as_they_were(weights, windows):
    mine = windows.copy()
    mine.flags.writeable = False
    for engine in (
        OrtEngine(weights, WIDTH, threads=1, cache_directory=None),
        TorchEngine(weights, WIDTH, device="cpu", batch=4),
    ):
        engine.embed(mine)
    assert np.array_equal(mine, windows)


def with_wrong_bits(whole: bytes, first: int, count: int) -> bytes:
    spoilt = bytearray(whole)
    spoilt[first : first + count] = bytes(byte ^ 0x41 for byte in spoilt[first : first + count])
    return bytes(spoilt)


class TestTheCache:
    def test_the_graph_is_built_once(self, weights, windows, tmp_path):
        cache = tmp_path / "made" / "for it"
        first = open_engine(weights, WIDTH, device="cpu", cache_directory=cache)
        (graph,) = cache.iterdir()
        stamp = graph.stat().st_mtime_ns
        second = open_engine(weights, WIDTH, device="cpu", cache_directory=cache)
        assert graph.stat().st_mtime_ns == stamp
        assert np.array_equal(first.embed(windows), second.embed(windows))

    def test_other_weights_have_another_graph(self, weights, tmp_path):
        open_engine(weights, WIDTH, device="cpu", cache_directory=tmp_path)
        other = weights | {"stem.norm.bias": weights["stem.norm.bias"] + 1}
        open_engine(other, WIDTH, device="cpu", cache_directory=tmp_path)
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda whole: b"",
            lambda whole: b"no graph",
            lambda whole: whole[: len(whole) // 2],
            lambda whole: with_wrong_bits(whole, len(whole) // 2, 4096),
            lambda whole: with_wrong_bits(whole, len(whole) // 3, 1),
        ],
        ids=["empty", "foreign", "cut short", "a page of wrong weights", "one wrong byte"],
    )
    def test_a_spoilt_graph_is_built_again(self, weights, windows, truth, tmp_path, spoil):
        open_engine(weights, WIDTH, device="cpu", cache_directory=tmp_path)
        (graph,) = tmp_path.iterdir()
        whole = graph.read_bytes()
        graph.write_bytes(spoil(whole))
        engine = open_engine(weights, WIDTH, device="cpu", cache_directory=tmp_path)
        np.testing.assert_allclose(engine.embed(windows), truth, atol=1e-5, rtol=1e-4)
        assert graph.read_bytes() == whole

    def test_a_cache_that_cannot_be_written_does_not_stop_the_start(self, weights, windows, truth, tmp_path):
        (tmp_path / "file").write_text("in the way")
        engine = open_engine(weights, WIDTH, device="cpu", cache_directory=tmp_path / "file" / "cache")
        np.testing.assert_allclose(engine.embed(windows), truth, atol=1e-5, rtol=1e-4)


class TestTheDevice:
    def test_the_processor_is_always_there(self):
        assert choose_device("cpu") == "cpu"

    def test_auto_is_a_gpu_or_the_processor(self):
        assert choose_device("auto") == ("cuda:0" if torch.cuda.is_available() else "cpu")

    @pytest.mark.parametrize("device", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "tpu:0"])
    def test_an_unknown_one_is_refused(self, device):
        with pytest.raises(BadInput) as refused:
            choose_device(device)
        assert str(refused.value) == f"device {device!r} is unknown: auto, cpu, cuda or cuda:<number>"

    @pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:99"])
    def test_one_that_is_not_here_is_refused(self, device):
        if torch.cuda.is_available() and device != "cuda:99":
            pytest.skip("this machine has a CUDA device")
        with pytest.raises(BadInput, match=f"device '{device}' is not here: torch finds [0-9]+ CUDA devices"):
            choose_device(device)

    def test_threads_default_to_all_cores_but_one(self, weights):
        engine = open_engine(weights, WIDTH, device="cpu")
        assert isinstance(engine, OrtEngine)
        assert engine.threads >= 1
        assert open_engine(weights, WIDTH, device="cpu", threads=3).threads == 3


def test_without_a_gpu_neither_torch_nor_onnx_is_loaded_to_embed(weights, tmp_path):
    """Torch takes seconds and 200 MB of a small machine."""
    if any(Path(name).exists() for name in GPU_DEVICE_FILES):
        pytest.skip("this machine may have a GPU, which only torch can tell")
    write_weights(tmp_path / "encoder.safetensors", weights)
    open_engine(weights, WIDTH, device="cpu", cache_directory=tmp_path / "cache")
    program = f"""
import sys
from pathlib import Path
import numpy as np
from bandwatch.models import activity, band_fitting, bundle
from bandwatch.models.encoder_weights import read_weights
from bandwatch.models.engine import open_engine
folder = Path({str(tmp_path)!r})
weights = read_weights(folder / "encoder.safetensors", {WIDTH})
engine = open_engine(weights, {WIDTH}, device="auto", cache_directory=folder / "cache")
assert engine.embed(np.zeros((1, 128, 128), np.float32)).shape == (1, {8 * WIDTH})
print(sorted({{"torch", "onnx", "sklearn"}} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")
