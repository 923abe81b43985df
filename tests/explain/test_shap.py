"""Expected gradients: known answers, both ways of making them, captum's beside, and completeness."""

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, IntegratedGradients
from torch import nn

from bandwatch.explain.shap import ExpectedGradients, frequency_importance
from bandwatch.explain.shap_exact import exact_expected_gradients, integrated_gradients
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork
from bandwatch.pipeline.errors import BadInput


class Product(nn.Module):
    """x0 x1 + 3 x2, all of the newest step."""

    def forward(self, x):
        newest = x[:, -1]
        return (newest[:, 0] * newest[:, 1] + 3 * newest[:, 2])[:, None, None]


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return CnnLstmNetwork(CnnLstmConfig(6, 6)).double().eval()


def histories(windows: int, seed: int, frequencies: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(windows, 24, frequencies)).astype(np.float32)


def test_shapley_values_of_a_product_and_a_sum():
    # From 0, x0 and x1 earn their product together and share it; x2 earns its own.
    window, nothing = np.zeros((1, 24, 3), np.float32), np.zeros((1, 24, 3), np.float32)
    window[0, -1] = [2, 5, 7]
    expected = [5, 5, 21]
    found = exact_expected_gradients(Product(), window, nothing)
    np.testing.assert_allclose(found[0, -1], expected, rtol=1e-6)
    assert not found[0, :-1].any()
    sampled = ExpectedGradients(Product(), nothing, samples=400).attribute(window)
    np.testing.assert_allclose(sampled[0, -1], expected, rtol=0.01)
    np.testing.assert_allclose(frequency_importance(found), np.array(expected) / 24, rtol=1e-6)


def test_shapley_values_are_against_the_mean_of_the_background():
    # By hand, of x0 x1 over baselines (0, 0) and (2, 2), for (4, 4): 8 each, and (16 - 4) / 2 = 6 each.
    window, background = np.full((1, 24, 3), 4, np.float32), np.zeros((2, 24, 3), np.float32)
    background[1] = 2
    explainer = ExpectedGradients(Product(), background, samples=400)
    assert explainer.expected == (0 + 4 + 6) / 2
    for found in (explainer.attribute(window), exact_expected_gradients(Product(), window, background)):
        np.testing.assert_allclose(found[0, -1], [7, 7, (12 + 6) / 2], rtol=0.01)


def test_along_one_path_it_is_captums(network):
    window, baseline = histories(2, 1)
    captum = IntegratedGradients(lambda x: network(x).mean(dim=(1, 2)))
    expected = captum.attribute(
        torch.from_numpy(window[None]).double(),
        torch.from_numpy(baseline[None]).double(),
        n_steps=32,
        method="gausslegendre",
    )
    found = integrated_gradients(network, window, baseline, places=32)
    np.testing.assert_allclose(found, expected[0].detach(), rtol=1e-4, atol=1e-7)


def test_sampled_and_exact_values_agree_and_with_captums_sampled_ones(network):
    windows, background = histories(2, 2), histories(4, 3)
    exact = exact_expected_gradients(network, windows, background)
    errors = []
    for samples in (16, 1024):
        sampled = ExpectedGradients(network, background, samples=samples).attribute(windows)
        errors.append(np.linalg.norm(sampled - exact) / np.linalg.norm(exact))
    assert errors[1] < 0.03
    assert errors[1] < errors[0] / 3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        captum = GradientShap(lambda x: network(x).mean(dim=(1, 2))).attribute(
            torch.from_numpy(windows).double(), torch.from_numpy(background).double(), n_samples=500
        )
    captum = captum.detach().numpy()
    assert np.linalg.norm(captum - exact) / np.linalg.norm(exact) < 0.15


def test_values_sum_to_the_target_less_its_expectation(network):
    windows, background = histories(3, 4), histories(4, 5)
    with torch.no_grad():
        targets = network(torch.from_numpy(windows).double()).mean(dim=(1, 2)).numpy()
        expected = network(torch.from_numpy(background).double()).mean().item()
    spread = np.abs(targets - expected).max()
    exact = exact_expected_gradients(network, windows, background, places=128)
    np.testing.assert_allclose(exact.sum(axis=(1, 2)), targets - expected, atol=0.01 * spread)
    explainer = ExpectedGradients(network, background, samples=256)
    assert explainer.expected == pytest.approx(expected)
    sampled = explainer.attribute(windows)
    gaps = explainer.gaps(windows, sampled)
    np.testing.assert_allclose(gaps, sampled.sum(axis=(1, 2)) - (targets - expected), atol=1e-6)
    assert np.abs(gaps).max() < 0.05 * spread
    assert np.abs(explainer.gaps(windows, 2 * sampled)).max() > 0.5 * spread


def test_a_window_is_explained_alone_as_among_others(network):
    windows = histories(5, 6)
    explainer = ExpectedGradients(network, histories(4, 7), samples=16, batch=32)
    alone = np.concatenate([explainer.attribute(window[None]) for window in windows])
    np.testing.assert_allclose(explainer.attribute(windows), alone, rtol=1e-6, atol=1e-9)


def test_what_it_cannot_explain_is_refused(network):
    with pytest.raises(BadInput, match="^0 background histories and 128 samples, needs 1 of each$"):
        ExpectedGradients(network, histories(0, 0))
    with pytest.raises(BadInput, match="^histories of 5 frequencies, needs 6$"):
        ExpectedGradients(network, histories(2, 0)).attribute(histories(1, 0, 5))
