"""What is learned of the simulated band, with the shipped encoder, over one restart of the agent."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandwatch.models.activity import Geometry
from bandwatch.models.band_fitting import BandFitter
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.contest import Contest
from bandwatch.models.forecasters.nlinear import NLinear
from bandwatch.pipeline.frames import Forecast, Step, Window
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.noise_floor import NoiseFloor
from bandwatch.pipeline.simulator import Simulator
from bandwatch.pipeline.state import State, read_state, write_state
from bandwatch.pipeline.steps import Steps
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.jig import same

STEP_SECONDS, STEPS, STRIDE_ROWS = 2.0, 212, 32
STOP_AFTER_STEPS = 200


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped_bundle(), threads=1)


@pytest.fixture(scope="module")
def heard(bundle: Bundle) -> list[Step | np.ndarray]:
    """Steps and the features of windows of the simulated band, in the order a route has them."""
    simulator = Simulator(3)
    rows = round(STEPS * STEP_SECONDS * simulator.scene.rows_per_second)
    steps, noise_floor, windower = Steps(STEP_SECONDS), NoiseFloor(), Windower(STRIDE_ROWS)
    items: list[Step | np.ndarray] = []
    for frame in islice(simulator.frames(), rows):
        windows: list[Window] = [w for row in noise_floor.push(frame) for w in windower.push(row)]
        if windows:
            items.append(bundle.embed(np.stack([window.values for window in windows])))
        items += steps.push(frame)
    return items


class Learned:
    """Forecasters, intervals, the band's model and the windows gathered for its next one."""

    def __init__(self) -> None:
        scene = Simulator(3).scene
        geometry = Geometry(
            node="simulated",
            band="srd-868",
            unit="dBFS/bin",
            bins=scene.bins,
            first_hz=868.2e6,
            bin_hz=187.5,
            segments=8,
        )
        self.fitter = BandFitter(geometry, stride_rows=STRIDE_ROWS)
        self.contest = Contest("simulated", "srd-868", [NLinear()])

    def take(self, items: list[Any]) -> list[Any]:
        outputs: list[Any] = []
        for item in items:
            if isinstance(item, np.ndarray):
                self.fitter.push(item)
                if self.fitter.model is not None:
                    outputs.append(self.fitter.model.assign(item))
            else:
                outputs += self.contest.push(item)
        return outputs

    def state(self) -> State:
        return {"fitter": self.fitter.state(), "contest": self.contest.state()}

    def restore(self, state: State) -> None:
        self.fitter.restore(state["fitter"])
        self.contest.restore(state["contest"])


def test_the_next_forecast_its_intervals_and_the_novelty_are_those_of_an_uninterrupted_agent(
    heard: list[Step | np.ndarray], tmp_path: Path
) -> None:
    histories = Histories()
    items: list[Any] = []
    seen, stop_at = 0, 0
    for item in heard:
        items.append(item)
        if isinstance(item, Step):
            items += histories.push(item)
            seen += 1
            stop_at = len(items) if seen == STOP_AFTER_STEPS else stop_at
    whole, restarted = Learned(), Learned()
    whole.take(items[:stop_at])
    write_state(tmp_path / "state", whole.state())
    restarted.restore(read_state(tmp_path / "state"))

    expected, answered = whole.take(items[stop_at:]), restarted.take(items[stop_at:])
    assert same(answered, expected)
    assert same(restarted.state(), whole.state())

    forecasts = [output for output in expected if isinstance(output, Forecast)]
    assert len(forecasts) == STEPS - STOP_AFTER_STEPS
    assert all(np.isfinite(forecast.low).all() for forecast in forecasts)
    novelties = np.concatenate([output[2] for output in expected if isinstance(output, tuple)])
    assert len(np.unique(novelties)) > 4, novelties
    new = Learned()
    unlearned = [output for output in new.take(items[stop_at:]) if isinstance(output, Forecast)]
    assert not np.isfinite(unlearned[0].low).any(), "a new one knows none of it"
    assert not any(np.isfinite(forecast.low).all() for forecast in unlearned)
    assert new.fitter.model is None
