"""The encoder is the paper's ResNet18, at any width."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from bandwatch.models.encoder import Block, Encoder, EncoderConfig, encoder_with, weights_of
from bandwatch.models.encoder_weights import digest, expected_shapes, folded, read_weights, write_weights
from bandwatch.pipeline.errors import BadInput


def test_at_width_64_it_has_the_weights_of_resnet18():
    # torchvision's resnet18 has 11,689,512; less its classifier (513,000) and two of three input channels.
    count = sum(weight.numel() for weight in Encoder(EncoderConfig(64)).parameters())
    assert count == 11_689_512 - 513_000 - 2 * 64 * 49


@pytest.mark.parametrize("width", [4, 16])
def test_a_window_gives_eight_features_a_channel_and_none_is_negative(width):
    features = Encoder(EncoderConfig(width)).eval()(torch.rand(3, 1, 128, 128))
    assert features.shape == (3, 8 * width) == (3, EncoderConfig(width).dimensions)
    assert (features >= 0).all()


def test_the_stages_halve_the_picture_and_double_the_channels():
    encoder = Encoder(EncoderConfig(4)).eval()
    x = encoder.stem(torch.rand(1, 1, 128, 128))
    shapes = [tuple(x.shape[1:])]
    for block in encoder.blocks:
        x = block(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        (4, 32, 32), (4, 32, 32), (4, 32, 32), (8, 16, 16), (8, 16, 16),
        (16, 8, 8), (16, 8, 8), (32, 4, 4), (32, 4, 4),
    ]  # fmt: skip


def test_a_block_adds_its_shortcut_before_the_last_relu():
    block = Block(2, 4, 2).eval()
    x = torch.randn(1, 2, 8, 8)
    inner = functional.relu(functional.conv2d(x, block.conv1.weight, stride=2, padding=1) / (1 + 1e-5) ** 0.5)
    inner = functional.conv2d(inner, block.conv2.weight, padding=1) / (1 + 1e-5) ** 0.5
    beside = functional.conv2d(x, block.shortcut[0].weight, stride=2) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(x), functional.relu(inner + beside))


def test_every_relu_is_a_module_of_its_own_and_not_in_place():
    relus = [module for module in Encoder(EncoderConfig(4)).modules() if isinstance(module, nn.ReLU)]
    assert len(relus) == 1 + 8 * 2
    assert not any(relu.inplace for relu in relus)


def test_weights_survive_a_file(tmp_path):
    encoder = Encoder(EncoderConfig(4))
    encoder.train()(torch.rand(4, 1, 128, 128))  # so that the batch statistics are not the first ones
    weights = weights_of(encoder)
    assert {name: array.shape for name, array in weights.items()} == expected_shapes(4)
    write_weights(tmp_path / "encoder.safetensors", weights)
    read = read_weights(tmp_path / "encoder.safetensors", 4)
    assert digest(read) == digest(weights)
    windows = torch.rand(2, 1, 128, 128)
    assert torch.equal(encoder_with(read, 4)(windows), encoder.eval()(windows))


def test_the_digest_tells_other_weights_apart():
    weights = weights_of(Encoder(EncoderConfig(4)))
    changed = weights | {"stem.norm.bias": weights["stem.norm.bias"] + np.float32(1e-6)}
    assert digest(weights) != digest(changed)


def test_a_folded_convolution_does_the_norm_too():
    convolution, norm = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.train()(torch.randn(8, 3, 4, 4) * 3 + 1)
    norm.eval()
    arrays = {f"c.{name}": value.detach().numpy() for name, value in convolution.state_dict().items()}
    arrays |= {f"n.{name}": value.detach().numpy() for name, value in norm.state_dict().items()}
    kernel, bias = folded(arrays, "c", "n")
    x = torch.randn(1, 2, 6, 6)
    expected = norm(convolution(x))
    torch.testing.assert_close(
        functional.conv2d(x, torch.from_numpy(kernel), torch.from_numpy(bias)), expected, atol=1e-5, rtol=1e-5
    )


def test_half_precision_weights_are_read_as_float32(tmp_path):
    weights = weights_of(Encoder(EncoderConfig(4)))
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    write_weights(tmp_path / "encoder.safetensors", halves)
    read = read_weights(tmp_path / "encoder.safetensors", 4)
    assert {array.dtype for array in read.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {n: a for n, a in w.items() if n != "stem.norm.bias"}, "lacks array 'stem.norm.bias'"),
        (lambda w: w | {"foreign": w["stem.norm.bias"]}, "holds an unknown array 'foreign'"),
        (
            lambda w: w | {"stem.norm.bias": np.zeros(5, np.float32)},
            "array 'stem.norm.bias' has shape [5], needs [4]",
        ),
        (
            lambda w: w | {"stem.norm.bias": np.zeros(4, np.int32)},
            "array 'stem.norm.bias' holds int32, needs float32",
        ),
        (
            lambda w: w | {"stem.norm.bias": np.full(4, np.nan, np.float32)},
            "array 'stem.norm.bias' holds NaN or infinity",
        ),
        (
            lambda w: w | {"stem.norm.bias": np.full(4, np.inf, np.float32)},
            "array 'stem.norm.bias' holds NaN or infinity",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, change, message):
    path = tmp_path / "encoder.safetensors"
    write_weights(path, change(weights_of(Encoder(EncoderConfig(4)))))
    with pytest.raises(BadInput) as refused:
        read_weights(path, 4)
    assert str(refused.value) == f"{path}: {message}"


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_file_cut_short_is_refused(tmp_path, kept):
    path = tmp_path / "encoder.safetensors"
    write_weights(path, weights_of(Encoder(EncoderConfig(4))))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadInput, match="not a whole safetensors file"):
        read_weights(path, 4)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"encoder\.safetensors: no such file"):
        read_weights(tmp_path / "encoder.safetensors", 4)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="folder: cannot be read: Is a directory"):
        read_weights(tmp_path / "folder", 4)
