"""A running agent explains its band when asked to, and goes on when the worker is killed."""

import json
import os
import signal
from pathlib import Path

import pytest

from bandwatch.agent.state import STATES_FOLDER
from bandwatch.tests.agent.processes import Agent, started

MADE, FAILED = "bandwatch_explanations_made_total", "bandwatch_explanations_failed_total"


def worker_of(agent: Agent) -> int | None:
    """The process that explains, a child of the agent's."""
    pid = agent.process.pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"explainer_worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_running_agent_loses_one_refresh_with_its_worker_and_stops_with_it(tmp_path: Path):
    request = tmp_path / "agent-state" / "explain" / "refresh"
    with started(tmp_path, "run") as agent:
        agent.wait_for("windows", lambda: sum(agent.metric("bandwatch_explanation_windows").values()) > 100)
        assert json.loads(agent.get("/api/v1/explanations")[1]) == {"explanations": [], "forecast_maps": []}
        request.parent.mkdir(exist_ok=True)
        request.touch()
        worker = agent.wait_for("worker", lambda: worker_of(agent))
        os.kill(worker, signal.SIGKILL)
        agent.wait_for("failure", lambda: sum(agent.metric(FAILED).values()) == 1)
        assert agent.events("not explained")[0]["reason"] == "killed"
        assert agent.get("/healthz")[0] == 200
        request.touch()
        worker = agent.wait_for("another worker", lambda: worker_of(agent))
        assert agent.stop() == 0
        assert not Path(f"/proc/{worker}").exists()
    assert not list(request.parent.glob(".job-*"))
    assert (tmp_path / "agent-state" / STATES_FOLDER).is_dir()
