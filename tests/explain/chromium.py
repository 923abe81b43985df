"""A headless Chromium without a network, spoken to over the pipe of its DevTools protocol."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MOST_SECONDS = 120.0


def found_chromium() -> str:
    """Its path; the test is skipped, and says why, where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip(f"none of {', '.join(NAMES)} is on this machine (Debian: apt-get install chromium)")


class Page:
    """The one page of a browser. `events` are all that the browser has told of it so far."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._left = b""
        self._asked = 0
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Until all of it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + MOST_SECONDS
        while not self._told("Page.loadEventFired"):
            assert time.monotonic() < deadline, f"{url} is not loaded"
            self.events.append(self._next())
        self.value("new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return self._call(method, self._session, **arguments)

    def value(self, script: str) -> Any:
        """What a script in the page comes to."""
        asked = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in asked, asked
        return asked["result"].get("value")

    def show(self, *, media: str = "screen", scheme: str = "light") -> None:
        """As on a screen or in print, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def complaints(self) -> list[str]:
        """Errors and warnings on the console, exceptions, requests that failed."""
        always = ("Runtime.exceptionThrown", "Network.loadingFailed", "Log.entryAdded")
        told = [
            each
            for each in self.events
            if each["method"] in always
            or (each["method"] == "Runtime.consoleAPICalled" and each["params"]["type"] != "log")
        ]
        return [json.dumps(each["params"]) for each in told]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, without what it holds itself."""
        urls = [each["params"]["request"]["url"] for each in self._told("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith("data:")]

    def _told(self, method: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["method"] == method]

    def _call(self, method: str, session: str | None = None, **arguments: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": arguments}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._asked:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + MOST_SECONDS
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self._read, 1 << 16) if ready else b""
            assert part, "chromium has ended or says nothing"
            self._left += part
        message, self._left = self._left.split(b"\0", 1)
        return json.loads(message)


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A browser that keeps everything in `folder`, and finds no host by its name."""
    # It reads what it is asked from 3 and answers on 4: ours must not lie there already.
    to_read, to_write = (_high(each) for each in os.pipe())
    from_read, from_write = (_high(each) for each in os.pipe())

    def at_3_and_4() -> None:
        os.dup2(to_read, 3)
        os.dup2(from_write, 4)

    command = [
        found_chromium(),
        "--headless",
        "--no-sandbox",  # root has none, containers often neither
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-pipe",
    ]
    with (folder / "chromium.txt").open("wb") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=os.environ | {"HOME": str(folder)},
            pass_fds=(3, 4),
            preexec_fn=at_3_and_4,
            start_new_session=True,
        )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Page(from_read, to_write)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        os.close(from_read)
        os.close(to_write)


def _high(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
