import http.client
import json
import socket
import threading
import time
from html.parser import HTMLParser

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from bandwatch.agent.logs import open_log
from bandwatch.agent.outputs import Fitted
from bandwatch.agent.server import Server
from bandwatch.agent.status import StatusBoard
from bandwatch.agent.telemetry import Telemetry
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.every_output import everything, feed, row


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Running:
    def __init__(self) -> None:
        self.now_seconds = 100.0
        self.registry = CollectorRegistry()
        self.board = StatusBoard([("node", "band")], monotonic_seconds=lambda: self.now_seconds)
        self.server = Server("127.0.0.1", 0, self.registry, self.board)
        self.server.start()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.server.port}{path}", headers=headers)


@pytest.fixture
def running():
    running = Running()
    yield running
    running.server.stop()


class TestMetrics:
    def test_prometheus_reads_what_was_fed(self, running):
        telemetry = Telemetry(running.registry, open_log("error"))
        feed(telemetry, everything())
        answer = running.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = {
            (sample.name, sample.labels.get("segment")): sample.value
            for family in plain_text(answer.text)
            for sample in family.samples
        }
        assert samples["bandwatch_frames_received_total", None] == 1
        assert samples["bandwatch_novelty_ratio", "3"] == 0.5

    def test_whoever_asks_for_openmetrics_gets_it(self, running):
        feed(Telemetry(running.registry, open_log("error")), everything())
        answer = running.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert any(family.name == "bandwatch_windows" for family in openmetrics(answer.text))

    def test_a_new_agent_has_an_empty_page_and_no_error(self, running):
        assert running.get("/metrics").text == ""


class TestHealth:
    def test_before_the_first_row_the_band_is_named_with_how_long_it_is_silent(self, running):
        running.now_seconds += 2.5
        answer = running.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["healthy"] is False
        assert answer.json()["bands"] == [
            {
                "node": "node",
                "band": "band",
                "healthy": False,
                "silent_seconds": 2.5,
                "silence_allowed_seconds": 10.0,
                "rows": 0,
                "says": "no row yet for 2.5 s",
            }
        ]

    def test_while_rows_flow_it_is_200_and_after_silence_503(self, running):
        running.board.take(row())
        answer = running.get("/healthz")
        assert (answer.status_code, answer.json()["healthy"]) == (200, True)
        running.now_seconds += 31
        answer = running.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["bands"][0]["says"] == "no row for 31.0 s, 10.0 s are allowed"

    def test_ready_is_503_with_progress_until_the_model_is_there(self, running):
        running.board.take(row())
        assert running.get("/readyz").json()["bands"][0]["says"] == "warming up"
        running.board.warming("node", "band", 40, 96)
        answer = running.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["bands"][0]["says"] == "warming up: 40 of 96 windows"
        running.board.take(Fitted("node", "band", 96, 12, "own"))
        answer = running.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)
        assert answer.json()["bands"][0]["model"] == "own"
        assert answer.json()["bands"][0]["forecasting"] is False

    def test_a_band_without_windows_is_ready_and_says_why(self, running):
        running.board.take(row(bins=16))
        answer = running.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["bands"][0]["says"] == "too narrow for windows; forecasts only"


class Page(HTMLParser):
    """Collects what a page would load and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "action") or (name == "href" and tag == "link"):
                self.loaded.append(value or "")


class TestConsole:
    def test_it_is_one_page_that_loads_nothing_from_elsewhere(self, running):
        answer = running.get("/")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        page = Page(answer.text)
        assert all(address.startswith("data:") for address in page.loaded)
        assert "script" in page.tags
        assert "@import" not in answer.text
        assert "url(" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "connect-src 'self'" in answer.headers["content-security-policy"]

    def test_it_serves_light_and_dark_and_never_writes_markup_from_data(self, running):
        page = running.get("/").text
        assert "prefers-color-scheme: dark" in page
        ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write")
        assert not any(way in page for way in ways)

    def test_the_status_it_reads_holds_everything_it_shows(self, running):
        for output in everything():
            running.board.take(output)
        status = running.get("/api/v1/status")
        assert status.headers["cache-control"] == "no-store"
        band = status.json()["bands"][0]
        assert status.json()["healthy"] is True
        assert [segment["state"] for segment in band["segments"][:4]] == [
            "warming_up",
            "normal",
            "novel",
            "deviating",
        ]
        assert len(band["forecast"]["mean_db"]) == 12
        assert len(band["spectrum"]["power_db"]) == 256
        assert {loss["reason"] for loss in band["losses"]} >= {"lost", "too_few_bins"}


class TestPort:
    def test_a_port_that_is_taken_stops_the_start_with_its_number(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            server = Server("127.0.0.1", port, CollectorRegistry(), StatusBoard())
            taken = rf"^server\.port {port} on 127\.0\.0\.1 is taken: .*another port, or serve nothing"
            with pytest.raises(BadInput, match=taken):
                server.start()
            server.stop()

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
    def test_so_does_a_host_that_is_not_of_this_machine(self, host):
        with pytest.raises(BadInput, match=rf"^server\.host '{host}' ") as refusal:
            Server(host, 0, CollectorRegistry(), StatusBoard()).start()
        assert "\n" not in str(refusal.value)

    def test_port_0_picks_one_and_tells(self, running):
        assert running.server.port > 0
        assert running.server.url == f"http://127.0.0.1:{running.server.port}"

    @pytest.mark.parametrize(
        ("host", "shown"),
        [("::1", "[::1]"), ("localhost", "localhost"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")],
    )
    def test_its_url_is_one_that_answers(self, host, shown):
        if host == "::1" and not has_ipv6():
            pytest.skip("this machine has no IPv6 loopback")
        server = Server(host, 0, CollectorRegistry(), StatusBoard())
        server.start()
        try:
            assert server.url == f"http://{shown}:{server.port}"
            assert httpx.get(f"{server.url}/healthz").status_code == 503
        finally:
            server.stop()

    def test_the_port_is_free_again_after_stop_even_with_idle_and_slow_clients(self, running):
        port = running.server.port
        idle = httpx.Client()
        idle.get(f"http://127.0.0.1:{port}/healthz")
        slow = socket.create_connection(("127.0.0.1", port))
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        began = time.monotonic()
        running.server.stop()
        took_seconds = time.monotonic() - began
        running.server.stop()
        slow.close()
        idle.close()
        with socket.create_server(("127.0.0.1", port)):
            pass
        assert took_seconds < 2.5


class TestBadRequests:
    def test_unknown_paths_and_methods_are_refused(self, running):
        assert running.get("/nowhere").status_code == 404
        assert httpx.post(f"{running.server.url}/metrics").status_code == 405

    def test_rubbish_and_broken_connections_do_not_end_it(self, running):
        for rubbish in (b"\x00\xff\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"a" * 100_000, b""):
            with socket.create_connection(("127.0.0.1", running.server.port)) as client:
                client.sendall(rubbish)
        assert running.get("/healthz").status_code == 503

    def test_a_request_that_fails_is_500_and_the_next_one_is_answered(self, running):
        class Broken:
            def collect(self):
                raise RuntimeError("no figures")

            def describe(self):
                return []

        broken = Broken()
        running.registry.register(broken)
        assert running.get("/metrics").status_code == 500
        running.registry.unregister(broken)
        assert running.get("/metrics").status_code == 200

    def test_many_at_once_are_all_answered(self, running):
        feed(Telemetry(running.registry, open_log("error")), everything())
        codes: list[int] = []

        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", running.server.port, timeout=20)
            for path in ("/metrics", "/api/v1/status", "/healthz", "/"):
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                codes.append(answer.status)
                if path == "/api/v1/status":
                    json.loads(body)
            connection.close()

        askers = [threading.Thread(target=ask) for _ in range(16)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert sorted(set(codes)) == [200, 503]
        assert len(codes) == 64
