"""Improved Grad-CAM: worked by hand, beside captum, streamed as in one piece, and leaving no trace."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from bandwatch.explain.global_map import StreamingMap, global_map
from bandwatch.explain.grad_cam import GradCam
from bandwatch.explain.shap import ExpectedGradients
from bandwatch.models.forecasters.cnn_lstm_attention_network import CnnLstmAttentionNetwork
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork
from bandwatch.models.forecasters.cnn_network import CnnNetwork
from bandwatch.models.forecasters.gru_network import GruNetwork
from bandwatch.models.forecasters.lstm_network import LstmNetwork
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.models.forecasters.transformer_network import TransformerNetwork
from bandwatch.pipeline.errors import BadInput


class Tiny(nn.Module):
    """Two outputs: 2 mean(relu(x0)) and 4 mean(relu(x1)); a third filter hears x2 loudly, and is not used."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.diag(torch.tensor([1.0, 1.0, 100.0]))[:, :, None])

    def forward(self, x):
        means = torch.relu(self.conv(x.transpose(1, 2))).mean(dim=2)  # [n, 3]
        return (means[:, :2] * torch.tensor([2.0, 4.0]).to(means))[:, None]  # [n, 1, 2]


class Pooled(nn.Module):
    """Convolutions and pools as the paper's, without what comes behind."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(4, 8, 3), nn.Conv1d(8, 6, 3)
        self.pool = nn.MaxPool1d(2)
        self.output = nn.Linear(6 * 9, 24)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x.transpose(1, 2))))
        return self.output(torch.tanh(self.conv2(x)).flatten(1)).view(-1, 12, 2)


def cnn_lstm(frequencies: int = 5) -> CnnLstmNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return CnnLstmNetwork(CnnLstmConfig(frequencies, frequencies))


def histories(windows: int, frequencies: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(windows, 24, frequencies)).astype(np.float32)


def test_a_map_worked_by_hand():
    window = np.ones((1, 24, 3), np.float32)
    window[0, 12:, 0] = -1
    window[0, :, 1] = 0.5
    # The target is mean A0 + 2 mean A1, and A0 is silent in half of the steps: so its alpha is 1/48, the
    # other one 1/12.
    early, late = 1 / 48 * 1 + 1 / 12 * 0.5, 1 / 12 * 0.5
    cam = GradCam(Tiny())
    np.testing.assert_allclose(cam.steps(window)[0], [early] * 12 + [late] * 12, rtol=1e-6)
    # |x d target / d x|: 1 / 24 and 0.5 * 2 / 24 in the early steps, 0 and the same in the late ones.
    found = cam.attribute(window)[0]
    np.testing.assert_allclose(found[:12], [[early / 2, early / 2, 0]] * 12, rtol=1e-6)
    np.testing.assert_allclose(found[12:], [[0, late, 0]] * 12, rtol=1e-6)


class Known(nn.Module):
    """The mean over steps of the sum of w x; a filter for each sign of each x, and a loud one, not used."""

    weights = np.array([1.0, -0.5, 0.25, 0.0, 4.0])

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(5, 11, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            for frequency in range(5):
                self.conv.weight[2 * frequency : 2 * frequency + 2, frequency, 0] = torch.tensor([1.0, -1.0])
            self.conv.weight[10, 3] = 50

    def forward(self, x):
        filters = torch.relu(self.conv(x.transpose(1, 2))).mean(dim=2)  # [n, 11]
        moved = filters[:, 0:10:2] - filters[:, 1:10:2]
        return (moved @ torch.from_numpy(self.weights).to(moved))[:, None, None]


def test_frequencies_have_the_shares_that_are_known():
    # Column 3 is heard fifty times as loud as others and goes nowhere; column 4 counts most and hardly moves.
    windows = histories(50, 5)
    windows[:, :, 4] *= 0.01
    maps = GradCam(Known()).attribute(windows)
    parts = np.abs(windows * Known.weights)
    shares = parts / parts.sum(axis=2, keepdims=True)
    np.testing.assert_allclose(maps, maps.sum(axis=2, keepdims=True) * shares, atol=1e-6 * maps.max())
    of_all = maps.sum(axis=(0, 1)) / maps.sum()
    assert of_all[0] > 0.5 > of_all[1] > of_all[2] > 0.05 > of_all[4] > of_all[3] == 0


def test_frequencies_share_what_their_step_has():
    cam = GradCam(cnn_lstm())
    windows = histories(7, 5)
    maps, steps = cam.attribute(windows), cam.steps(windows)
    assert (steps > 0).any()
    assert (maps >= 0).all()
    np.testing.assert_allclose(maps[:, :22].sum(axis=2), steps[:, :22], rtol=1e-5)


def test_steps_that_a_network_cannot_see_have_no_part():
    # Unpadded, 24 -> 22 -> 11 -> 9 -> 4 steps: the last pool drops what alone sees the two newest rows.
    network = cnn_lstm().eval()
    windows = histories(3, 5)
    other = windows.copy()
    other[:, 22:] += 9
    with torch.no_grad():
        assert torch.equal(network(torch.from_numpy(windows)), network(torch.from_numpy(other)))
    maps = GradCam(network).attribute(windows)
    assert not maps[:, 22:].any()
    assert maps[:, 2:21].any()


def test_it_is_captums_at_the_steps_that_the_convolution_sees():
    torch.manual_seed(0)
    network = Pooled().double()
    windows = histories(6, 4)
    layer = LayerGradCam(lambda x: network(x).mean(dim=(1, 2)), network.conv2)
    coarse = layer.attribute(torch.from_numpy(windows).double(), relu_attributions=True)
    coarse = coarse.detach().numpy()[:, 0]  # [6, 9]
    # Step j of the second convolution sees pairs j to j + 2 of the first one's, so inputs 2 j to 2 j + 7.
    expected = [np.interp(np.arange(24), 2 * np.arange(9) + 3.5, row) for row in coarse]
    found = GradCam(network, activation=lambda values: values).steps(windows)
    assert (coarse > 0).any()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_another_target_has_another_map():
    window = np.ones((1, 24, 3), np.float32)
    found = GradCam(Tiny(), target=lambda outputs: outputs[:, 0, 0]).attribute(window)
    assert found[0, :, 0].all()
    assert not found[0, :, 1:].any()


def test_the_global_map_is_the_mean_of_the_windows_that_cover_a_step():
    maps = np.stack([np.full((24, 1), value, np.float32) for value in (1, 3, 8)])
    found = global_map(maps, np.array([0, 2, 30]), 60)[:, 0]
    expected = [1] * 2 + [2] * 22 + [3] * 2 + [np.nan] * 4 + [8] * 24 + [np.nan] * 6
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rows", [50, 150])
def test_window_by_window_it_is_the_same_map(rows):
    recording = histories(1, 5, seed=4).repeat(6, axis=1)[0] * np.linspace(0, 2, 144)[:, None]
    firsts = np.array([*range(40), 41, 44, *range(70, 121)])  # a step is missing; a hole of two rows; windows
    windows = np.stack([recording[first : first + 24] for first in firsts]).astype(np.float32)
    cam = GradCam(cnn_lstm())
    whole = global_map(cam.attribute(windows), firsts, 144)
    stream = StreamingMap(5, rows)
    for window, first in zip(windows, firsts, strict=True):
        stream.add(cam.attribute(window[None])[0], int(first))
    assert stream.end == 144
    kept = min(rows, 144)
    assert np.isnan(stream.values[: rows - kept]).all()
    np.testing.assert_allclose(
        stream.values[rows - kept :], whole[144 - kept :], rtol=1e-6, atol=1e-6 * np.nanmax(whole)
    )


def test_a_stream_forgets_what_is_older_than_its_rows():
    stream = StreamingMap(1, 24)
    for first, value in ((0, 9), (1000, 1), (1012, 3)):
        stream.add(np.full((24, 1), value, np.float32), first)
    np.testing.assert_array_equal(stream.values[:, 0], [2] * 12 + [3] * 12)
    with pytest.raises(BadInput, match="map begins at row 1011, the one before it at 1012"):
        stream.add(np.zeros((24, 1), np.float32), 1011)


def facts_of(network):
    return {
        "state": {name: value.clone() for name, value in network.state_dict().items()},
        "modes": [module.training for module in network.modules()],
        "asked": [weight.requires_grad for weight in network.parameters()],
        "gradients": [None if w.grad is None else w.grad.clone() for w in network.parameters()],
        "hooks": [len(m._forward_hooks) + len(m._backward_hooks) for m in network.modules()],
        "random": torch.get_rng_state(),
    }


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_explainers_leave_no_trace(context):
    network = cnn_lstm()
    network.train()
    network.conv2.eval()
    network.conv1.weight.requires_grad_(False)
    network.output.weight.grad = torch.ones_like(network.output.weight)
    windows = histories(3, 5)
    before, given = facts_of(network), windows.copy()
    with context():
        assert GradCam(network).attribute(windows).any()
        assert ExpectedGradients(network, windows[:2], samples=4).attribute(windows).any()
    torch.testing.assert_close(facts_of(network), before, rtol=0, atol=0)
    assert np.array_equal(windows, given)


@pytest.mark.parametrize("kind", [CnnNetwork, CnnLstmNetwork, CnnLstmAttentionNetwork])
def test_every_network_with_a_convolution_is_explained(kind):
    maps = GradCam(kind(NetworkConfig(5, 2))).attribute(histories(9, 5))
    assert np.isfinite(maps).all()
    assert maps.any()


@pytest.mark.parametrize("kind", [LstmNetwork, GruNetwork, TransformerNetwork])
def test_a_network_without_is_refused_and_has_shap_values(kind):
    network, windows = kind(NetworkConfig(5, 2)), histories(3, 5)
    with pytest.raises(BadInput, match=f"^{kind.__name__} runs no Conv1d, Grad-CAM needs one$"):
        GradCam(network).attribute(windows)
    explainer = ExpectedGradients(network, windows[:1], samples=64)
    values = explainer.attribute(windows)
    assert np.abs(explainer.gaps(windows, values)).max() < 0.1 * np.abs(values).sum(axis=(1, 2)).max()


class NoConvolution(nn.Module):
    def forward(self, x):
        return x[:, :12]


class OverFrequencies(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(24, 12, 3)

    def forward(self, x):
        return self.conv(x)


@pytest.mark.parametrize(
    ("network", "windows", "message"),
    [
        (NoConvolution(), np.zeros((1, 24, 5)), "NoConvolution runs no Conv1d, Grad-CAM needs one"),
        (
            OverFrequencies(),
            np.zeros((1, 24, 7)),
            "OverFrequencies: its last Conv1d gives [12, 5], needs [channels, 22]: convolutions and pools as "
            "modules over the 24 steps",
        ),
        (Tiny(), np.zeros((2, 12, 3)), "histories of shape [2, 12, 3], needs [n, 24, F]"),
        (Tiny(), np.full((2, 24, 3), np.nan), "history 0 of 2 is not finite, needs numbers only"),
    ],
)
def test_what_it_cannot_explain_is_refused_in_a_line(network, windows, message):
    with pytest.raises(BadInput) as refused:
        GradCam(network).attribute(windows.astype(np.float32))
    assert str(refused.value) == message
