"""Routes: one for each band that is wanted; the others are passed over, and that is told once."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bandwatch.agent.logs import open_log
from bandwatch.agent.routes import MOST_TOLD, Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.loader import load
from bandwatch.models.bundle import Bundle, shipped_bundle

SETTINGS = """
node: {name: roof}
bands:
  - {name: own, source: {kind: simulator}}
  - {name: far, source: {kind: stream, node: mast, endpoint: "tcp://127.0.0.1:9745"}}
  - {name: any, source: {kind: stream, endpoint: "tcp://127.0.0.1:9746"}}
"""


@pytest.fixture
def routes(tmp_path: Path):
    path = tmp_path / "node.yaml"
    path.write_text(SETTINGS)
    telemetry = Telemetry(CollectorRegistry(), open_log("info", "json"))
    bundle = Bundle.load(shipped_bundle(), device="cpu", cache_directory=tmp_path)
    return lambda only: Routes(load(path, {}), bundle, telemetry, only_configured=only)


def test_a_configured_band_has_one_route_of_its_node(routes):
    live = routes(True)
    for node, band in (("roof", "own"), ("mast", "far"), ("whoever", "any")):
        assert live.of(node, band) is not None
        assert live.of(node, band) is live.of(node, band)
    assert live.of("mast", "own") is None
    assert live.of("roof", "far") is None


def test_a_band_nobody_asked_for_is_told_once(routes, capsys):
    live = routes(True)
    for _ in range(3):
        assert live.of("roof", "onw") is None
    assert capsys.readouterr().err.count("roof/onw: its rows arrive but no band of the settings is it") == 1


def test_names_without_number_are_not_remembered_without_number(routes):
    live = routes(True)
    for number in range(3 * MOST_TOLD):
        live.of("roof", f"band-{number}")
    assert len(live._passed_over) == MOST_TOLD


def test_nodes_without_number_have_no_routes_without_number(routes, capsys, monkeypatch):
    monkeypatch.setattr("bandwatch.agent.routes.MOST_ROUTES", 3)
    live = routes(True)
    heard = [live.of(f"node-{number}", "any") is not None for number in range(5)]
    assert heard == [True, True, True, False, False]
    assert "node-3/any: its rows arrive but there are 3 bands already; limit: 3" in capsys.readouterr().err
    assert live.of("node-1", "any") is not None


def test_a_replay_routes_whatever_the_recording_holds(routes):
    assert routes(False).of("anyone", "anything") is not None
