"""What a band's route gives on over a restart beside its stages: its stride, and its newest forecast."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bandwatch.agent.logs import open_log
from bandwatch.agent.route import BandRoute
from bandwatch.agent.routes import Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.schema import Settings
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.pipeline.frames import Forecast
from bandwatch.pipeline.state import read_state, write_state
from bandwatch.tests.jig import rows, same


@pytest.fixture
def new_route(tmp_path: Path):
    bundle = Bundle.load(shipped_bundle(), device="cpu", cache_directory=tmp_path)
    settings = Settings.model_validate({"bands": [{"name": "band", "history": {"step_seconds": 4}}]})

    def made() -> BandRoute:
        telemetry = Telemetry(CollectorRegistry(), open_log("error", "json"))
        route = Routes(settings, bundle, telemetry, only_configured=False).of("node", "band")
        assert route is not None
        return route

    return made


def restarted(route: BandRoute, new: BandRoute, path: Path) -> BandRoute:
    write_state(path, route.state())
    new.restore(read_state(path), with_labels=True)
    return new


def test_a_stride_raised_under_load_is_what_it_was(tmp_path: Path, new_route):
    route, items = new_route(), rows(300, bins=32)
    for item in items[:200]:
        route.take(item)
    route.stride_rows = 64
    again = restarted(route, new_route(), tmp_path / "band.state")
    assert again.stride_rows == 64
    for item in items[200:]:
        assert same(again.take(item), route.take(item))


def test_the_newest_forecast_is_told_again(tmp_path: Path, new_route):
    route, made = new_route(), []
    for item in rows(700, bins=16):
        made += [output for output in route.take(item) if isinstance(output, Forecast)]
    again = restarted(route, new_route(), tmp_path / "band.state")
    (told,) = [output for output in again.standing() if isinstance(output, Forecast)]
    assert same(told, made[-1])
