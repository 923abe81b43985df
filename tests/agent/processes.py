"""Real agents as processes of their own, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 120.0
# systemd waits so long before it kills; the agent means to need half of it.
STOP_SECONDS = 10.0


class Agent:
    """A running `bandwatch` command; its log is JSON lines in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def text(self) -> str:
        return self._log.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of an event."""
        lines = [json.loads(row) for row in self.text().splitlines() if row.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def wait_for(self, what: str, ask: Callable[[], Any]) -> Any:
        """The first true answer; fails if the process ends before, or in two minutes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if answer := ask():
                return answer
            assert self.process.poll() is None, f"ended before {what}:\n{self.text()}"
            time.sleep(0.1)
        raise AssertionError(f"no {what} in {PATIENCE_SECONDS:g} s:\n{self.text()}")

    def url(self) -> str:
        return self.wait_for("server", lambda: self.events("serving"))[0]["url"]

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url() + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def metric(self, name: str) -> dict[str, float]:
        """Values of a metric by its labels, as /metrics writes them."""
        rows = [row.rsplit(" ", 1) for row in self.get("/metrics")[1].splitlines() if row[0] != "#"]
        return {labels[len(name) :]: float(v) for labels, v in rows if labels.split("{")[0] == name}

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def started(folder: Path, *arguments: str, name: str = "agent") -> Iterator[Agent]:
    """A command in a process of its own, with a state directory and a port of its own; killed at the end."""
    environment = os.environ | {
        "BANDWATCH__STORE__DIRECTORY": str(folder / f"{name}-state"),
        "BANDWATCH__SERVER__PORT": os.environ.get("BANDWATCH__SERVER__PORT", "0"),
        "BANDWATCH__LOGGING__FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bandwatch", *arguments], stdout=output, stderr=output, env=environment
        )
    try:
        yield Agent(process, log)
    finally:
        process.kill()
        process.wait()
