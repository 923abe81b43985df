"""The agent as its users meet it: a process, a port, a signal."""

import json
import socket
from pathlib import Path

import pytest

from bandwatch.tests.agent.processes import started
from bandwatch.tests.recorded import levels, write_recording

SIMULATED = """
node: {name: roof}
bands:
  - name: srd-868
    source: {kind: simulator, seed: 3, backfill_seconds: 1700, backfill_speed: 120}
"""
CAPTURE = """
node: {name: mast}
bands:
  - name: srd-868
    source: {kind: simulator, seed: 3, backfill_seconds: 60, backfill_speed: 5}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_run_labels_forecasts_serves_and_stops(tmp_path: Path):
    with started(tmp_path, "run", "-c", written(tmp_path, "roof.yaml", SIMULATED)) as agent:
        forecast = agent.wait_for("forecast", lambda: agent.metric("bandwatch_band_forecast_db"))
        assert len(forecast) == 12
        assert agent.metric("bandwatch_cluster")
        assert agent.get("/healthz")[0] == 200
        assert agent.get("/readyz")[0] == 200
        assert "bandwatch" in agent.get("/")[1].lower()
        received = agent.metric("bandwatch_frames_received_total")['{band="srd-868",node="roof"}']
        # The first of the 24 steps counts from half coverage.
        assert received >= (23 * 60 + 30) * 5
        assert not any(agent.metric("bandwatch_frames_lost_total").values())
        assert agent.stop() == 0
        assert agent.events("stopped")
        assert "Traceback" not in agent.text()


def test_without_a_file_the_shipped_band_is_warm_at_once(tmp_path: Path):
    with started(tmp_path, "run") as agent:
        agent.wait_for("label", lambda: agent.metric("bandwatch_cluster"))
        fitted = agent.events("band model loaded") or agent.events("band model fitted")
        assert fitted[0]["windows"] == 0
        assert agent.stop() == 0


def test_a_taken_port_is_one_line_and_exit_code_2(tmp_path: Path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("BANDWATCH__SERVER__PORT", str(taken.getsockname()[1]))
        with started(tmp_path, "run") as agent:
            assert agent.process.wait(timeout=60) == 2
            errors = [row for row in agent.text().splitlines() if row.startswith("error:")]
            assert len(errors) == 1
            assert f"server.port {taken.getsockname()[1]}" in errors[0]
            assert "Traceback" not in agent.text()


@pytest.mark.slow
def test_a_killed_capture_is_a_restart_and_the_agent_goes_on(tmp_path: Path):
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    capture = written(tmp_path, "capture.yaml", f"{CAPTURE}transport: {{endpoint: '{endpoint}'}}\n")
    agent_yaml = f"bands: [{{name: srd-868, source: {{kind: stream, endpoint: '{endpoint}'}}}}]\n"
    with started(tmp_path, "run", "-c", written(tmp_path, "agent.yaml", agent_yaml)) as agent:

        def received() -> float:
            return sum(agent.metric("bandwatch_frames_received_total").values())

        with started(tmp_path, "capture", "-c", capture, name="first") as first:
            agent.wait_for("rows of the first", lambda: received() > 10)
            first.process.kill()
            first.process.wait()
        before = received()
        with started(tmp_path, "capture", "-c", capture, name="second") as second:
            agent.wait_for("rows of the second", lambda: received() > before + 10)
            assert second.stop() == 0
        restarts = [n for labels, n in agent.metric("bandwatch_gaps_total").items() if '"restart"' in labels]
        assert sum(restarts) >= 1
        assert agent.stop() == 0


def test_a_stream_that_nobody_publishes_is_neither_healthy_nor_ready(tmp_path: Path):
    nobody = (
        f"{{name: elsewhere, source: {{kind: stream, node: far, endpoint: 'tcp://127.0.0.1:{free_port()}'}}}}"
    )
    text = f"{SIMULATED}  - {nobody}\n"
    with started(tmp_path, "run", "-c", written(tmp_path, "both.yaml", text)) as agent:
        agent.wait_for("label", lambda: agent.metric("bandwatch_cluster"))
        for path in ("/healthz", "/readyz"):
            code, said = agent.get(path)
            assert code == 503
            assert "elsewhere" in said
        received = agent.metric("bandwatch_frames_received_total")
        assert received['{band="elsewhere",node="far"}'] == 0
        assert agent.stop() == 0


def test_a_replay_that_is_stopped_says_so_and_ends_with_130(tmp_path: Path):
    recording = write_recording(tmp_path / "band.npy", levels(3000, 40), step_seconds=1)
    out = tmp_path / "out.jsonl"
    with started(tmp_path, "replay", str(recording), "--speed", "20", "--serve", "--json", str(out)) as agent:
        agent.wait_for("rows", lambda: agent.metric("bandwatch_frames_received_total"))
        assert agent.stop() == 130
        assert "stopped before the end" in agent.text()
    summary = json.loads(out.read_text().splitlines()[-1])
    assert summary["complete"] is False
    assert 0 < summary["rows"] < 3000
