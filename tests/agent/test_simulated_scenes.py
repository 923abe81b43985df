"""A band of the configuration may be any of the simulator's scenes."""

from itertools import islice
from threading import Event
from typing import get_args

import numpy as np
import pytest

from bandwatch.agent.feeds import simulated_live
from bandwatch.config.schema import SimulatorSource
from bandwatch.pipeline.named_scenes import BANDS, scene_named
from bandwatch.pipeline.simulator import START_2026_NS, Simulator


def test_the_configuration_knows_every_scene():
    assert set(get_args(SimulatorSource.model_fields["scene"].annotation)) == set(BANDS)
    assert SimulatorSource(kind="simulator").scene == "default"


@pytest.mark.parametrize("name", BANDS)
def test_what_is_heard_live_is_the_scene_that_was_asked_for(name):
    source = SimulatorSource(kind="simulator", seed=3, scene=name, backfill_seconds=0)
    # The clock stands an hour after the start: all rows are long due.
    clock = iter([START_2026_NS])
    live = simulated_live("n", "b", source, Event(), lambda: next(clock, START_2026_NS + 3600 * 10**9))
    frames = list(islice(live, 3))
    expected = Simulator(3, scene=scene_named(name, 3)).block(3)
    assert np.stack([frame.power_db for frame in frames]).tobytes() == expected.tobytes()
