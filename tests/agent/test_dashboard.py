import json
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bandwatch.agent.logs import open_log
from bandwatch.agent.metric_table import METRICS
from bandwatch.agent.server import Server
from bandwatch.agent.status import StatusBoard
from bandwatch.agent.telemetry import Telemetry
from bandwatch.tests.every_output import everything, feed

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
NAME = re.compile(r"\bbandwatch_\w+")
PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")


def dashboard() -> dict[str, Any]:
    return json.loads((DASHBOARDS / "bandwatch.json").read_text())


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """(title, expression) of every query of the dashboard."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DASHBOARDS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


class Agent:
    """A Telemetry that was fed one of everything, behind the real server, and goes on being fed."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.telemetry = Telemetry(registry, open_log("error"))
        feed(self.telemetry, everything())
        self.server = Server("127.0.0.1", 0, registry, StatusBoard())
        self.server.start()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _go_on(self) -> None:
        outputs = everything()[1:]
        while not self._ended.wait(0.2):
            self.telemetry.frames_received("node", "band", 1)
            self.telemetry.latency("node", "band", 0.2)
            self.telemetry.stage_timed("embed", 0.003)
            for output in outputs:
                self.telemetry.take(output)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()
        self.server.stop()


@pytest.fixture(scope="module")
def agent():
    agent = Agent()
    yield agent
    agent.stop()


@pytest.fixture(scope="module")
def exported(agent) -> set[str]:
    text = httpx.get(f"{agent.server.url}/metrics").text
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


class TestNames:
    def test_every_metric_of_a_dashboard_query_is_live(self, exported):
        for title, query in queries():
            assert set(NAME.findall(query)) <= exported, title

    def test_every_metric_of_a_rule_is_live(self, exported):
        for rule in rules():
            assert set(NAME.findall(rule["expr"])) <= exported, rule["alert"]

    def test_every_metric_of_a_variable_is_live(self, exported):
        for variable in dashboard()["templating"]["list"]:
            if variable["type"] == "query":
                assert set(NAME.findall(variable["query"]["query"])) <= exported

    def test_every_metric_of_the_table_is_on_the_dashboard(self):
        shown = {
            re.sub("_(bucket|sum|count)$", "", name) for _, query in queries() for name in NAME.findall(query)
        }
        assert {metric.full_name for metric in METRICS} <= shown


class TestDashboard:
    def test_it_asks_the_chosen_datasource_for_the_chosen_node_and_band(self):
        assert [one["name"] for one in dashboard()["templating"]["list"]] == ["datasource", "node", "band"]
        for panel in panels():
            assert panel["datasource"]["uid"] == "${datasource}"
            for target in panel["targets"]:
                assert target["datasource"]["uid"] == "${datasource}"
                of_a_band = any("band" in labels_of(name) for name in NAME.findall(target["expr"]))
                if of_a_band and panel["type"] != "table":
                    assert 'node=~"$node", band=~"$band"' in target["expr"], panel["title"]

    def test_panels_have_titles_ids_of_their_own_and_do_not_overlap(self):
        every = dashboard()["panels"]
        assert len({panel["id"] for panel in every}) == len(every)
        taken: set[tuple[int, int]] = set()
        for panel in every:
            assert panel["title"]
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_rules_have_a_severity_a_summary_and_a_line_in_the_readme(self):
        readme = (DASHBOARDS / "README.md").read_text()
        for rule in rules():
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert rule["annotations"]["summary"]
            assert f"| {rule['alert']} |" in readme


def labels_of(name: str) -> tuple[str, ...]:
    plain = re.sub("_(bucket|sum|count)$", "", name)
    return next(metric.labels for metric in METRICS if metric.full_name == plain)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
class TestPromtool:
    def test_rules_are_valid(self):
        assert PROMTOOL is not None
        check = subprocess.run(
            [PROMTOOL, "check", "rules", DASHBOARDS / "alerts.yml"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert check.returncode == 0, check.stderr

    def test_rules_fire_when_they_should_and_are_silent_otherwise(self, tmp_path):
        assert PROMTOOL is not None
        shutil.copy(DASHBOARDS / "alerts.yml", tmp_path)
        (tmp_path / "cases.yml").write_text(CASES)
        check = subprocess.run(
            [PROMTOOL, "test", "rules", tmp_path / "cases.yml"], capture_output=True, text=True, timeout=60
        )
        assert check.returncode == 0, check.stdout + check.stderr


# Series at one sample a minute: `0+60x100` counts up, `6000x40` stands still.
CASES = """
rule_files: [alerts.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'bandwatch_frames_received_total{node="n",band="stopped",instance="i"}'
        values: '0+300x30 9000x30'
      - series: 'bandwatch_frames_received_total{node="n",band="flows",instance="i"}'
        values: '0+300x60'
      - series: 'bandwatch_frames_lost_total{node="n",band="flows",reason="lost",instance="i"}'
        values: '0+30x60'
      - series: 'bandwatch_verdict{node="n",band="flows",segment="3",state="novel",instance="i"}'
        values: '0x40 1x20'
      - series: 'up{job="bandwatch",instance="i"}'
        values: '1x60'
    alert_rule_test:
      - {eval_time: 30m, alertname: BandwatchNoData, exp_alerts: []}
      - eval_time: 50m
        alertname: BandwatchNoData
        exp_alerts:
          - exp_labels: {severity: critical, node: n, band: stopped, instance: i}
            exp_annotations:
              summary: "no rows of n/stopped for 15 minutes"
              description: "The source is silent: look at the radio, `bandwatch capture` and the way between."
      - {eval_time: 5m, alertname: BandwatchRowsLost, exp_alerts: []}
      - eval_time: 40m
        alertname: BandwatchRowsLost
        exp_alerts:
          - exp_labels: {severity: warning, node: n, band: flows, instance: i}
            exp_annotations:
              summary: "n/flows loses more than 1 % of its rows"
              description: "`bandwatch_frames_lost_total` by reason says why: the network, a slow machine."
      - {eval_time: 40m, alertname: BandwatchNovelActivity, exp_alerts: []}
      - eval_time: 50m
        alertname: BandwatchNovelActivity
        exp_alerts:
          - exp_labels: {severity: info, node: n, band: flows, segment: "3", state: novel, instance: i}
            exp_annotations:
              summary: "novel activity: n/flows, segment 3"
              description: "Unlike this band's own past. Known and harmless? Leave it out: `mask.ranges_hz`."
      - {eval_time: 50m, alertname: BandwatchDown, exp_alerts: []}
  - interval: 1m
    input_series:
      - series: 'bandwatch_drift_ratio{node="n",band="changed",instance="i"}'
        values: 'NaN NaN 0x118 0.4x100'
      - series: 'bandwatch_drift_ratio{node="n",band="busy",instance="i"}'
        values: 'NaN NaN 0.2x218'
    alert_rule_test:
      - {eval_time: 2h55m, alertname: BandwatchDrift, exp_alerts: []}
      - eval_time: 3h10m
        alertname: BandwatchDrift
        exp_alerts:
          - exp_labels: {severity: info, node: n, band: changed, instance: i}
            exp_annotations:
              summary: "n/changed is no longer the band its model knows"
              description: "At least 40% of its windows are strange to its model: see docs/operations.md."
  - interval: 1m
    input_series:
      - series: 'bandwatch_forecast_skill_ratio{node="n",band="bad",instance="i"}'
        values: '-0.2x500'
      - series: 'bandwatch_forecast_skill_ratio{node="n",band="good",instance="i"}'
        values: '0.1x500'
    alert_rule_test:
      - {eval_time: 5h, alertname: BandwatchForecastWorseThanRepeating, exp_alerts: []}
      - eval_time: 7h
        alertname: BandwatchForecastWorseThanRepeating
        exp_alerts:
          - exp_labels: {severity: warning, node: n, band: bad, instance: i}
            exp_annotations:
              summary: "forecasts of n/bad are worse than repeating the last step"
              description: "Skill -20% for six hours; the forecaster should be trained anew."
"""


class Prometheus:
    """A real one that scrapes the agent, on the loopback only."""

    def __init__(self, executable: str, target: str, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (directory / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "200ms", "evaluation_interval": "500ms"},
                    "rule_files": [str(DASHBOARDS / "alerts.yml")],
                    "scrape_configs": [{"job_name": "bandwatch", "static_configs": [{"targets": [target]}]}],
                }
            )
        )
        self._log = (directory / "log").open("w")
        self._process = subprocess.Popen(
            [
                executable,
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        return answer["data"]["result"]

    def wait_for(self, expression: str, *, deadline_seconds: float = 60) -> None:
        deadline = time.monotonic() + deadline_seconds
        while time.monotonic() < deadline:
            try:
                if self.query(expression):
                    return
            except (httpx.TransportError, json.JSONDecodeError):
                pass
            time.sleep(0.2)
        pytest.fail(f"Prometheus has nothing for {expression}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        self._log.close()


@pytest.fixture(scope="module")
def prometheus(agent, tmp_path_factory):
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed")
    prometheus = Prometheus(
        PROMETHEUS, f"127.0.0.1:{agent.server.port}", tmp_path_factory.mktemp("prometheus")
    )
    try:
        prometheus.wait_for("count_over_time(bandwatch_frames_received_total[1m]) >= 5")
        yield prometheus
    finally:
        prometheus.stop()


def with_variables(expression: str) -> str:
    for variable, value in {"$node": ".*", "$band": ".*", "$__rate_interval": "30s"}.items():
        expression = expression.replace(variable, value)
    return expression


class TestPrometheus:
    def test_every_query_of_the_dashboard_answers_with_series(self, prometheus):
        # A scrape that a busy machine was too slow for leaves nothing of the moment: the next has it.
        for _, query in queries():
            prometheus.wait_for(with_variables(query), deadline_seconds=10)

    def test_the_state_timeline_tells_each_state_by_its_number(self, prometheus):
        query = next(query for title, query in queries() if title == "Verdict by segment")
        by_segment = {
            int(series["metric"]["segment"]): float(series["value"][1])
            for series in prometheus.query(with_variables(query))
        }
        assert by_segment == {segment: float(1 + segment % 4) for segment in range(8)}

    def test_rules_are_loaded_and_evaluate_without_error(self, prometheus):
        prometheus.wait_for('count_over_time(ALERTS{alertname="BandwatchNovelActivity"}[1m])')
        groups = httpx.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
        loaded = [rule for group in groups for rule in group["rules"]]
        assert {rule["name"] for rule in loaded} == {rule["alert"] for rule in rules()}
        assert {rule["health"] for rule in loaded} == {"ok"}

    def test_openmetrics_is_what_it_scraped_and_the_target_is_up(self, prometheus):
        (target,) = httpx.get(f"{prometheus.url}/api/v1/targets").json()["data"]["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
