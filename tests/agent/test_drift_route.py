"""Drift on the real route: low while the band stays what it was, high within the hour after it changed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bandwatch.agent.logs import open_log
from bandwatch.agent.route import BandRoute
from bandwatch.agent.routes import Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.schema import Settings
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.drift import Drift
from bandwatch.pipeline.arrivals import Periodic, Poisson
from bandwatch.pipeline.emitters import Carrier, Emitter
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.named_scenes import logatec_scene
from bandwatch.pipeline.scene import Scene, srd_868_emitters
from bandwatch.pipeline.simulator import START_2026_NS, Simulator
from bandwatch.pipeline.state import State, read_state, write_state
from bandwatch.tests.jig import SECOND, same

HOUR = 3600
ROW = 2
STRIDE = 16
FITTED = 2 * HOUR  # with as many windows as the first fit is set to, here
CHANGED = 4 * HOUR
END = 5 * HOUR


def steady(emitter: Any) -> Any:
    """Without the day's course: the band is unchanged."""
    arrivals = emitter.arrivals
    return (
        replace(emitter, arrivals=replace(arrivals, daily_swing_ratio=0.0))
        if isinstance(arrivals, Poisson)
        else emitter
    )


def scene(**changes: Any) -> Scene:
    """The default band in 256 bins and rows of a second."""
    emitters = tuple(map(steady, changes.pop("emitters", srd_868_emitters())))
    return replace(
        Scene(), **({"bins": 128, "bin_hz": 1500.0, "rows_per_second": 0.5} | changes), emitters=emitters
    )


def frames(of: Scene, first: int, last: int, *, seed: int) -> list[PsdFrame]:
    simulator = Simulator(seed, scene=of, start_ns=START_2026_NS + first * SECOND)
    rows = islice(simulator.frames(), (last - first) // ROW)
    return [replace(frame, seq=first // ROW + frame.seq) for frame in rows]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return Bundle.load(shipped_bundle(), device="cpu", cache_directory=tmp_path_factory.mktemp("cache"))


STRANGER = Carrier(Periodic(86_400.0), 868.25e6, 30.0, 100.0, 700.0, (86_400.0, 86_400.0), (20.0, 20.0))


class Band:
    """A route whose first model comes of two hours, the next of eight."""

    def __init__(self, bundle: Bundle, state: State | None = None) -> None:
        settings = Settings.model_validate(
            {
                "bands": [{"name": "srd-868", "segments": {"stride_rows": STRIDE}}],
                "models": {"warm_up_windows": FITTED // ROW // STRIDE},
            }
        )
        telemetry = Telemetry(CollectorRegistry(), open_log("error", "json"))
        route = Routes(settings, bundle, telemetry, only_configured=False).of("simulated", "srd-868")
        assert route is not None
        self.route: BandRoute = route
        if state is not None:
            route.restore(state, with_labels=True)

    def hear(self, items: Iterable[PsdFrame]) -> list[Drift]:
        outputs = [output for item in items for output in self.route.push(item)]
        return [output for output in outputs if isinstance(output, Drift)]


@pytest.fixture(scope="module")
def usual(bundle: Bundle) -> tuple[State, list[Drift]]:
    """The state of a band that was itself for six hours, and what was said until then."""
    band = Band(bundle)
    found = band.hear(frames(scene(), 0, CHANGED, seed=1))
    return band.route.state(), found


def known(found: Iterable[Drift]) -> list[float]:
    return [drift.ratio for drift in found if not math.isnan(drift.ratio)]


def test_of_a_band_that_stays_what_it_was_nothing_is_said(
    usual: tuple[State, list[Drift]], bundle: Bundle
) -> None:
    state, found = usual
    found = found + Band(bundle, state).hear(frames(scene(), CHANGED, END, seed=2))
    assert len(known(found)) >= 20
    assert max(known(found)) < 0.15
    assert not any(drift.crossed for drift in found)


@pytest.mark.parametrize("emitters", [logatec_scene().emitters, (*srd_868_emitters(), STRANGER)])
def test_a_band_that_changes_is_told_of_within_the_hour(
    emitters: tuple[Emitter, ...], usual: tuple[State, list[Drift]], bundle: Bundle
) -> None:
    changed = frames(scene(emitters=emitters), CHANGED, END, seed=2)
    found = Band(bundle, usual[0]).hear(changed)
    (crossed,) = [drift for drift in found if drift.crossed]
    assert crossed.drifting
    assert crossed.time_ns < changed[-1].time_ns - 15 * 60 * SECOND
    assert found[-1].ratio > 0.6


def test_a_restart_changes_nothing_that_is_said(
    usual: tuple[State, list[Drift]], bundle: Bundle, tmp_path: Path
) -> None:
    items = frames(scene(emitters=(STRANGER,)), CHANGED, CHANGED + HOUR // 2, seed=3)
    whole, cut = Band(bundle, usual[0]), Band(bundle, usual[0])
    expected = whole.hear(items)
    first = cut.hear(items[:411])
    write_state(tmp_path / "state", cut.route.state())
    again = Band(bundle, read_state(tmp_path / "state"))
    assert again.route.labels.drift == first[-1]
    assert first[-1] in again.route.standing()
    assert same(first + again.hear(items[411:]), expected)
    assert len(known(expected)) == 6
    assert same(again.route.state()["labels"], whole.route.state()["labels"])


def test_another_model_another_geometry_and_an_older_state_begin_anew(
    usual: tuple[State, list[Drift]], bundle: Bundle
) -> None:
    state, found = usual
    assert [math.isnan(drift.ratio) for drift in found[:12]] == [True] * 12, "an hour from the fit on"
    band = Band(bundle, state)
    assert band.route.labels.drift is not None
    retuned = [replace(frame, center_hz=433e6) for frame in frames(scene(), CHANGED, CHANGED + 300, seed=2)]
    band.hear(retuned)
    assert band.route.labels.drift is None
    before = {name: part for name, part in state["labels"].items() if name != "drift"}
    older = Band(bundle, state | {"labels": before}).route.labels.drift
    assert older is not None
    assert math.isnan(older.ratio)
