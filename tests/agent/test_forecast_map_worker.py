"""What the worker that maps forecasts makes of a real store, of each forecaster."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bandwatch.agent.fits import Fits
from bandwatch.agent.forecast_map_worker import work
from bandwatch.agent.forecaster_in_use import ForecasterInUse
from bandwatch.explain.published_map import read_map
from bandwatch.models.bundle import Bundle, shipped_bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.forecast_fit import save_fit
from bandwatch.models.forecast_problem import ForecastProblem, TrainingWatch
from bandwatch.models.forecasters.cnn_lstm import CnnLstm
from bandwatch.models.forecasters.cnn_lstm_network import CnnLstmNetwork
from bandwatch.models.forecasters.default_training import train_default
from bandwatch.models.forecasters.network_config import NetworkConfig
from bandwatch.models.step_table import StepTable
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.agent.mapped_lives import (
    BAND,
    PLANTED,
    START_NS,
    Life,
    job_of,
    planted_rows,
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """A store of the planted rows, whose agent has ended."""
    bundle = Bundle.load(shipped_bundle(), device="cpu", threads=1)
    one = Life(tmp_path_factory.mktemp("agent") / "store", bundle)
    one.hear(planted_rows(400))
    one.end()
    return one.folder


def stored_table() -> StepTable:
    rows = planted_rows(400)
    return StepTable(
        node=BAND[0],
        band=BAND[1],
        unit="dBm/bin",
        step_s=60.0,
        frequencies_hz=rows[0].first_hz + 1e4 * np.arange(16),
        values=np.stack([row.power_db for row in rows]),
        end_ns=np.array([row.time_ns + row.duration_ns for row in rows]),
    )


def test_the_worker_maps_the_default_and_the_leader_is_first(stored):
    table = stored_table()
    default = train_default(ForecastProblem(table, slice(0, 16)), 0, TrainingWatch())
    fits = Fits(stored)
    squares = np.ones((4, 3))
    key = save_fit(
        fits.folder(*BAND), default, table, squares=squares, scored_until_ns=START_NS, made_ns=START_NS
    )
    published = work(job_of(stored, ForecasterInUse("default", fit=key)))
    assert published is not None
    found = read_map(published)
    assert (found.model, found.measure, found.windows, found.rows) == ("default", "occlusion", 40, 400)
    low_hz, high_hz, share = found.ranges[0]
    assert low_hz <= table.frequencies_hz[PLANTED.leader] <= high_hz
    assert share > 1.4 / 16
    with pytest.raises(BadInput, match="cannot be read"):
        work(job_of(stored, ForecasterInUse("default", fit="0123456789abcdef")))


def test_the_worker_maps_a_bundles_network_by_grad_cam_and_refuses_another_bundle(stored, tmp_path):
    torch.manual_seed(0)
    module = CnnLstmNetwork(NetworkConfig(16, 16))
    network = CnnLstm(
        frequencies_hz=stored_table().frequencies_hz,
        unit="dBm/bin",
        step_s=60.0,
        mean_db=np.full(16, -90, np.float32),
        scale_db=np.full(16, 3, np.float32),
        weights={name: each.detach().numpy() for name, each in module.state_dict().items()},
    )
    path = tmp_path / "bundle"
    write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4, models={BAND: [network]})
    hash_ = Bundle.load(path, device="cpu", threads=1).hash
    published = work(job_of(stored, ForecasterInUse("cnn-lstm", bundle=str(path), bundle_hash=hash_)))
    assert published is not None
    facts = json.loads((published / "explanation.json").read_text())
    assert (facts["measure"], facts["unit"], facts["windows"]) == ("Grad-CAM", "evidence, scaled", 377)
    assert facts["by_step"][-2:] == [0, 0]  # its convolutions never see them
    assert "the newest 2 it does not heed at all" in facts["words"]["back"]
    with pytest.raises(BadInput, match=r"its hash is \w{12} now, the agent's was ffffffffffff"):
        work(job_of(stored, ForecasterInUse("cnn-lstm", bundle=str(path), bundle_hash="f" * 64)))
