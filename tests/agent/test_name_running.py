"""A name given to a running agent shows at once, and after a kill."""

import json
import time
from pathlib import Path

import pytest

from bandwatch.agent.cli import main
from bandwatch.tests.agent.processes import Agent, started


def names(agent: Agent) -> dict[int, str | None]:
    """The names of the clusters that the band's segments have now."""
    bands = json.loads(agent.get("/api/v1/status")[1])["bands"]
    segments = bands[0]["segments"] if bands else []
    return {each["cluster"]: each["name"] for each in segments if each["cluster"] is not None}


def say(*words: str) -> None:
    try:
        main([*words])
    except SystemExit as ended:
        assert not ended.code


@pytest.mark.slow
def test_a_name_shows_at_once_and_outlives_a_kill(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "agent-state"))
    with started(tmp_path, "run") as agent:
        clusters = agent.wait_for("clusters", lambda: names(agent))
        for cluster in range(24):
            say("name", str(cluster), f"kind {cluster}")
        told = time.monotonic()
        agent.wait_for("names", lambda: any(names(agent).values()))
        assert time.monotonic() - told < 10, "a second, and as long as this machine is busy"
        assert None in clusters.values()
        (series,) = [each for each in agent.metric("bandwatch_cluster_info") if 'cluster="3"' in each]
        assert 'kind="kind 3"' in series
    with started(tmp_path, "run") as agent:
        agent.wait_for("names", lambda: any(names(agent).values()))
        found = names(agent)
        assert all(name == f"kind {cluster}" for cluster, name in found.items())
