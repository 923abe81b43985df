"""The agent on a radio: real bindings, and a receiver behind them that is scripted to fail."""

from pathlib import Path

import pytest

from bandwatch.tests.agent.processes import started

pytest_plugins = ["bandwatch.tests.pipeline.soapy_driver.fixture"]

SETTINGS = """
node: {{name: roof}}
bands:
  - name: ism
    source:
      kind: radio
      device: driver=bandwatchtest,paced=1,{failures}
      center_hz: 868.0e6
      sample_rate_hz: 1.0e6
      silence_seconds: 0.5
    psd: {{bins: 256, frames_per_row: 64}}
"""


@pytest.fixture
def radio_yaml(tmp_path: Path, radio_worker, radio_environment, monkeypatch):
    """Writes settings for the scripted receiver; skipped, with the reason, where there are no bindings."""
    for name, value in radio_environment.items():
        monkeypatch.setenv(name, value)

    def write(failures: str) -> str:
        path = tmp_path / "radio.yaml"
        path.write_text(SETTINGS.format(failures=failures))
        return str(path)

    return write


def test_overflows_are_counted_and_the_band_is_labelled_all_the_same(tmp_path: Path, radio_yaml):
    with started(tmp_path, "run", "-c", radio_yaml("overflow_every=1500,lost=4096")) as agent:
        agent.wait_for("window", lambda: sum(agent.metric("bandwatch_windows_total").values()) > 0)
        gaps = agent.wait_for("overflow", lambda: _of_reason(agent, "bandwatch_gaps_total", "overflow"))
        assert gaps >= 1
        assert _of_reason(agent, "bandwatch_samples_lost_total", "overflow") >= 1
        assert agent.get("/healthz")[0] == 200
        assert agent.stop() == 0
        assert "Traceback" not in agent.text()


def test_a_radio_that_falls_silent_is_opened_again(tmp_path: Path, radio_yaml):
    with started(tmp_path, "run", "-c", radio_yaml("timeout_after=400,bad_opens=1,case=silent")) as agent:

        def received() -> float:
            return sum(agent.metric("bandwatch_frames_received_total").values())

        agent.wait_for("trouble", lambda: agent.events("not usable"))
        before = received()
        agent.wait_for("rows after it", lambda: received() > before + 50)
        assert agent.stop() == 0


def test_a_setting_out_of_range_is_one_line_and_exit_code_2(tmp_path: Path, radio_yaml):
    path = Path(radio_yaml("tone_hz=0"))
    path.write_text(path.read_text().replace("1.0e6", "9.0e9"))
    with started(tmp_path, "run", "-c", str(path)) as agent:
        assert agent.process.wait(timeout=60) == 2
        errors = [row for row in agent.text().splitlines() if row.startswith("error:")]
        assert len(errors) == 1
        assert "sample_rate_hz" in errors[0]


def _of_reason(agent, name: str, reason: str) -> float:
    return sum(value for labels, value in agent.metric(name).items() if f'reason="{reason}"' in labels)
