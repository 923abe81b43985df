"""What explains a trained CNN-LSTM: a planted leader is found, in frequency and in time, and must be learnt.

One net of a second or two; `benchmarks/planted_frequency.py` has twenty.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from bandwatch.explain.forecast_checks import PlantedLeader, shuffled
from bandwatch.explain.global_map import global_map
from bandwatch.explain.grad_cam import GradCam
from bandwatch.explain.importance import (
    Asked,
    most_important,
    occlusion_importance,
    permutation_importance,
    step_occlusion,
)
from bandwatch.explain.shap import ExpectedGradients, frequency_importance
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmConfig, CnnLstmNetwork

FREQUENCIES = 12
ORIGINS = np.arange(24, 900 - 11, 3)


@pytest.fixture(scope="module", params=[0, 1])
def planted(request):
    leader = PlantedLeader.make(request.param, frequencies=FREQUENCIES)
    return leader, trained(leader.values)


def trained(values):
    """160 batches of 32."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = CnnLstmNetwork(CnnLstmConfig(FREQUENCIES, FREQUENCIES)).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        rows = torch.from_numpy(values)
        for _ in range(160):
            windows = rows[torch.randint(0, len(rows) - 36, (32, 1)) + torch.arange(36)]
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(windows[:, :24]), windows[:, 24:]).backward()
            optimizer.step()
    torch.set_num_threads(threads)
    return network.eval()


def histories(values):
    return values[ORIGINS[:, None] + np.arange(-24, 0)]


def importances(network, values):
    """Of each frequency, by Grad-CAM and by SHAP."""
    windows = histories(values)
    explainer = ExpectedGradients(network, windows[::10], samples=32)
    return {
        "grad-cam": GradCam(network).attribute(windows).mean(axis=(0, 1)),
        "shap": frequency_importance(explainer.attribute(windows[::3])),
    }


def test_the_planted_frequency_is_first_by_every_measure(planted):
    leader, network = planted
    asked = Asked.of_network(network, leader.values, ORIGINS, slice(0, FREQUENCIES))
    found = importances(network, leader.values)
    found["permutation"] = permutation_importance(asked)
    found["occlusion"] = occlusion_importance(asked, np.zeros(FREQUENCIES, np.float32))
    first = {name: int(most_important(each, 1)[0]) for name, each in found.items()}
    assert set(first.values()) == {leader.leader}, first
    for one, other in pairwise(("permutation", "grad-cam", "occlusion", "shap", "permutation")):
        assert spearmanr(found[one], found[other]).statistic > 0.3, (one, other)


def test_the_global_map_shows_when_the_leader_sends(planted):
    leader, network = planted
    found = global_map(GradCam(network).attribute(histories(leader.values)), ORIGINS - 24, 900)[:800]
    of_leader = found[:, leader.leader]
    on = leader.on[:800]
    assert of_leader[on].mean() > 2 * of_leader[~on].mean()


def test_a_network_that_forgot_has_other_maps(planted):
    leader, network = planted
    learnt = importances(network, leader.values)
    chance = 1 / FREQUENCIES
    for name, forgotten in importances(shuffled(network, 0), leader.values).items():
        share, kept = (each[leader.leader] / each.sum() for each in (forgotten, learnt[name]))
        assert kept > 2.5 * chance, name
        assert share < 2 * chance, name


def test_forgetting_keeps_the_sizes_of_weights_and_the_original(planted):
    _, network = planted
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    forgotten = shuffled(network, 1).state_dict()
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    for name, weight in before.items():
        assert torch.equal(weight.flatten().sort().values, forgotten[name].flatten().sort().values)
    assert not torch.equal(forgotten["conv1.weight"], before["conv1.weight"])


def test_the_leader_does_first_what_all_others_do():
    leader = PlantedLeader.make(7, rows=4000)
    early = leader.values[:-12, leader.leader]
    assert leader.on.mean() == pytest.approx(6 / 22, abs=0.02)
    for column in range(16):
        if column != leader.leader:
            late = np.corrcoef(early, leader.values[12:, column])[0, 1]
            assert late > 0.4 > abs(np.corrcoef(early, leader.values[:-12, column])[0, 1]) + 0.1


def test_the_two_newest_steps_are_not_looked_at(planted):
    leader, network = planted
    asked = Asked.of_network(network, leader.values, ORIGINS, slice(0, FREQUENCIES))
    found = step_occlusion(asked, np.zeros(FREQUENCIES, np.float32))
    assert not found[22:].any()
    assert found[:22].all()
