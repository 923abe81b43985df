"""Guided backpropagation: worked by hand, beside captum, leaving no trace, and looking where the burst is."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop as Captum
from scipy.stats import spearmanr
from torch import nn

from bandwatch.explain.attribution_checks import BURSTS, cascade, plant, positive_share_inside
from bandwatch.explain.cluster_scores import DistanceScores, HeadScores, MarginScores
from bandwatch.explain.guided_backprop import GuidedBackprop
from bandwatch.models.activity import BandModel
from bandwatch.models.bundle import ENCODER_FILE, shipped_bundle
from bandwatch.models.clustering import Projection
from bandwatch.models.encoder import DEFAULT_WIDTH, encoder_with
from bandwatch.models.encoder_weights import read_weights
from bandwatch.models.head import Head
from bandwatch.models.training_windows import cut_windows
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator


class Tiny(nn.Module):
    """relu(B relu(A x)) of a window's first three pixels."""

    config = SimpleNamespace(dimensions=2)
    A = ((2.0, -1.0, 0.0), (0.0, 1.0, -3.0), (-1.0, 0.0, 0.0))
    B = ((1.0, 2.0, 5.0), (1.0, -4.0, 0.0))

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3, bias=False), nn.Linear(3, 2, bias=False)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        with torch.no_grad():
            self.a.weight.copy_(torch.tensor(self.A))
            self.b.weight.copy_(torch.tensor(self.B))

    def forward(self, windows):
        return self.relu2(self.b(self.relu1(self.a(windows[:, 0, 0, :3]))))


def as_it_is(dimensions: int) -> Projection:
    ones = np.ones(dimensions, np.float32)
    return Projection(0 * ones, np.eye(dimensions, dtype=np.float32), ones, ones / dimensions)


CENTRES = np.array([[1.3, 0.0], [0.8, 1.0]], np.float32)
HEAD = Head(np.array([[1, -2], [0, 1]], np.float32), np.zeros(2, np.float32), as_it_is(2), CENTRES)


@pytest.fixture
def three_pixels():
    """Inner sums 0.6, 0.1 and -0.5; features 0.8 and 0.2."""
    window = np.zeros((1, 128, 128), np.float32)
    window[0, 0, :3] = 0.5, 0.4, 0.1
    return window


@pytest.mark.parametrize(
    ("scores", "cluster", "expected"),
    [
        # The gradient at the features is (1, -2): the second ReLU stops -2, the first what came not forward.
        (HeadScores(HEAD), 0, (2, 1, -6)),
        # (0, 1), so (1, -4, 0) at the first ReLU, which stops -4.
        (HeadScores(HEAD), 1, (2, -1, 0)),
        # -2 (features - centre) = (1, -0.4).
        (DistanceScores(as_it_is(2), CENTRES), 0, (2, 1, -6)),
        # 2 (centre - other) = (1, -2) and (-1, 2), the latter through (2, -8, 0).
        (MarginScores(as_it_is(2), CENTRES), 0, (2, 1, -6)),
        (MarginScores(as_it_is(2), CENTRES), 1, (4, -2, 0)),
    ],
)
def test_a_tiny_network_gives_what_was_worked_out_by_hand(three_pixels, scores, cluster, expected):
    found = GuidedBackprop(Tiny(), scores).attribute(three_pixels, np.array([cluster]))
    np.testing.assert_allclose(found[0, 0, :3], expected, rtol=1e-5)
    assert not found[0, 1:].any()


def test_scores_are_distances_and_their_margins():
    features = torch.tensor([[0.8, 0.2]])
    distances = DistanceScores(as_it_is(2), CENTRES)(features)
    np.testing.assert_allclose(distances, [[-0.29, -0.64]], rtol=1e-5)
    margins = MarginScores(as_it_is(2), CENTRES)(features)
    np.testing.assert_allclose(margins, [[0.35, -0.35]], rtol=1e-5)
    three = np.array([[1.3, 0.0], [0.8, 1.0], [0.8, 0.3]], np.float32)
    np.testing.assert_allclose(MarginScores(as_it_is(2), three)(features), [[-0.28, -0.63, 0.28]], rtol=1e-5)


@pytest.fixture(scope="module")
def encoder():
    return encoder_with(read_weights(shipped_bundle() / ENCODER_FILE, DEFAULT_WIDTH), DEFAULT_WIDTH)


@pytest.fixture(scope="module")
def model():
    return BandModel.load(shipped_bundle() / "bands" / "simulated" / "srd-868")


@pytest.fixture(scope="module")
def planted():
    """A burst of each kind at two places of quiet windows: windows, boxes, kinds."""
    simulator = Simulator(500_901, scene=Scene(emitters=()))
    quiet = cut_windows(simulator.frames(), 16)
    places = [(8, 30.0), (70, 90.0)]
    found = [
        (*plant(next(quiet).values, burst, row % (129 - burst.rows), middle), kind)
        for kind, burst in BURSTS.items()
        for row, middle in places
    ]
    windows, boxes, kinds = zip(*found, strict=True)
    return np.stack(windows), np.stack(boxes), np.array(kinds)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU", "ignore:Input Tensor 0 did not already")
@pytest.mark.parametrize("name", ["distance", "margin", "head"])
def test_it_is_captums_on_the_encoder(encoder, model, planted, name):
    windows = planted[0][::3]
    random = np.random.default_rng(0)
    weight = random.normal(size=(5, encoder.config.dimensions)).astype(np.float32)
    scores = {
        "distance": DistanceScores(model.projection, model.centres),
        "margin": MarginScores(model.projection, model.centres),
        "head": HeadScores(Head(weight, weight[:, 0], model.projection, model.centres)),
    }[name]
    network = nn.Sequential(encoder, scores)
    # In the same batches: in others, rounding lets a ReLU at 0 pass something, or not.
    for batch in (len(windows), 3):
        theirs = []
        for part in torch.from_numpy(windows)[:, None].split(batch):
            target = network(part).argmax(dim=1)
            theirs.append(Captum(network).attribute(part, target=target)[:, 0].numpy())
        theirs = np.concatenate(theirs)
        assert np.abs(theirs).max(axis=(1, 2)).min() > 0
        explainer = GuidedBackprop(encoder, scores, batch=batch)
        np.testing.assert_allclose(explainer.attribute(windows), theirs, rtol=0, atol=1e-5)
        np.testing.assert_allclose(explainer.average(windows), theirs.mean(axis=0), rtol=0, atol=1e-5)


def facts_of(network: nn.Module):
    return {
        "modes": [module.training for module in network.modules()],
        "asked": [weight.requires_grad for weight in network.parameters()],
        "gradients": [None if weight.grad is None else weight.grad.sum() for weight in network.parameters()],
        "state": {name: value.clone() for name, value in network.state_dict().items()},
        "hooks": [(len(m._forward_hooks), len(m._backward_hooks)) for m in network.modules()],
    }


class Fails(HeadScores):
    def forward(self, features):
        raise RuntimeError("in the middle of it")


@pytest.mark.parametrize("scores", [HeadScores(HEAD), Fails(HEAD)])
def test_it_leaves_no_trace(three_pixels, scores):
    network = nn.Sequential(Tiny(), nn.BatchNorm1d(2))
    network.config = Tiny.config
    network.train()
    network[0].b.eval()
    network[0].a.weight.requires_grad_(False)
    network[0].b.weight.grad = torch.ones(2, 3)
    before = facts_of(network)
    windows = three_pixels.copy()
    explainer = GuidedBackprop(network, scores)
    with torch.no_grad():
        if isinstance(scores, Fails):
            with pytest.raises(RuntimeError, match="in the middle"):
                explainer.attribute(windows)
        else:
            assert explainer.attribute(windows).any()
    after = facts_of(network)
    torch.testing.assert_close(after.pop("state"), before.pop("state"), rtol=0, atol=0)
    assert after == before
    assert np.array_equal(windows, three_pixels)


@pytest.mark.parametrize("scores", [DistanceScores, MarginScores])
def test_a_planted_burst_holds_at_least_half_of_what_speaks_for_the_cluster(encoder, model, planted, scores):
    windows, boxes, kinds = planted
    explainer = GuidedBackprop(encoder, scores(model.projection, model.centres))
    shares = positive_share_inside(explainer.attribute(windows), boxes)
    assert (shares >= 0.5).all(), dict(zip(kinds, shares, strict=True))


def test_an_encoder_that_forgets_gives_other_maps_and_finds_no_burst(encoder, model, planted):
    windows, boxes, _ = planted
    scores = DistanceScores(model.projection, model.centres)
    trained = GuidedBackprop(encoder, scores).attribute(windows)
    forgetful = dict(cascade(encoder, 0))
    correlations, found = [], []
    for layer in ("blocks.7", "blocks.2", "stem"):
        maps = GuidedBackprop(forgetful[layer], scores).attribute(windows)
        ranks = [spearmanr(np.abs(a).ravel(), np.abs(b).ravel()) for a, b in zip(maps, trained, strict=True)]
        correlations.append(np.median([rank.statistic for rank in ranks]))
        found.append(np.median(positive_share_inside(maps, boxes)))
    assert correlations == sorted(correlations, reverse=True)
    assert correlations[-1] < 0.3
    assert found[-1] < 0.25


def test_forgetting_goes_from_the_end_and_changes_no_original(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    steps = list(cascade(encoder, 0))
    assert [layer for layer, _ in steps] == [f"blocks.{n}" for n in range(7, -1, -1)] + ["stem"]
    changed = [
        {name.rsplit(".", 1)[0] for name, value in copy.state_dict().items() if not value.equal(before[name])}
        for _, copy in steps
    ]
    assert all(name.startswith("blocks.7.") for name in changed[0])
    assert all(fewer < more for fewer, more in pairwise(changed))
    torch.testing.assert_close(encoder.state_dict(), before, rtol=0, atol=0)


def test_a_planted_burst_is_in_its_box_and_nothing_else_changes():
    quiet = np.full((128, 128), 0.125, np.float32)  # the floor
    for burst in BURSTS.values():
        window, box = plant(quiet, burst, 100 % (129 - burst.rows), 63.0)
        assert np.array_equal(window[~box], quiet[~box])
        assert (window - quiet).max() * 40 > burst.level_db - 3
        assert box.any(axis=1).sum() == burst.rows


@pytest.mark.parametrize(
    ("windows", "clusters", "message"),
    [
        (np.zeros((2, 1, 128, 128)), None, "windows of shape [2, 1, 128, 128], needs [n, 128, 128]"),
        (np.full((1, 128, 128), 1.5), None, "windows hold values from 1.5 to 1.5, needs 0 to 1"),
        (np.full((1, 128, 128), np.nan), None, "windows hold values from nan to nan, needs 0 to 1"),
        (np.zeros((2, 128, 128)), np.array([0]), "clusters are int64 [1], needs int64 [2]"),
        (np.zeros((2, 128, 128)), np.array([0, 2]), "cluster 2, there are 0 to 1"),
    ],
)
def test_what_it_cannot_explain_is_refused(windows, clusters, message):
    with pytest.raises(BadInput) as refused:
        GuidedBackprop(Tiny(), HeadScores(HEAD)).attribute(windows.astype(np.float32), clusters)
    assert str(refused.value) == message


def test_no_windows_have_no_average_and_foreign_scores_are_refused(model):
    with pytest.raises(BadInput, match="average attribution of 0 windows, needs at least 1"):
        GuidedBackprop(Tiny(), HeadScores(HEAD)).average(np.zeros((0, 128, 128), np.float32))
    with pytest.raises(BadInput, match="scores of 128 features, the encoder gives 2"):
        GuidedBackprop(Tiny(), DistanceScores(model.projection, model.centres))
    with pytest.raises(BadInput, match=r"centres of shape \[2, 2\], needs \[k, 3\], k at least 1"):
        DistanceScores(as_it_is(3), CENTRES)
