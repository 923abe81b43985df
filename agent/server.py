"""One HTTP port: metrics, health, readiness, status and the console."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..pipeline.errors import BadInput
from .band_status import BandStatus
from .status import StatusBoard

CONSOLE = Path(__file__).with_name("console.html")

# The console is one page: it loads nothing from elsewhere and talks to nobody else.
_CONSOLE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_NOT_STORED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Server:
    """Serves a registry and a status board from a thread of its own until `stop`.

    `/metrics` Prometheus or OpenMetrics text; `/healthz` 200 while rows of every band flow, else 503;
    `/readyz` 200 once the models of every band are warm, else 503; `/` the console; `/api/v1/status` JSON;
    `/api/v1/explanations` the newest of each band, as `explanations` and `forecast_maps` give them.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, board: StatusBoard) -> None:
        self._host = host
        self._wanted_port = port
        self._registry = registry
        self._board = board
        self._console = CONSOLE.read_text(encoding="utf-8")
        self.explanations: Callable[[], list[dict[str, object]]] = list
        self.forecast_maps: Callable[[], list[dict[str, object]]] = list
        self._socket: socket.socket | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; the one asked for before `start`."""
        return self._socket.getsockname()[1] if self._socket is not None else self._wanted_port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the console."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Listen, and return once requests are answered. Raises BadInput where host or port cannot be had."""
        self._socket = _listen(self._host, self._wanted_port)
        config = uvicorn.Config(
            self._application(),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            limit_concurrency=64,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, name="server", daemon=True
        )
        self._thread.start()
        while not self._uvicorn.started and self._thread.is_alive():
            time.sleep(0.005)
        if not self._uvicorn.started:
            raise RuntimeError("the HTTP server ended before it began")

    def stop(self) -> None:
        """Close the port; requests under way have a second to end. Calling it again does nothing."""
        if self._uvicorn is None or self._thread is None or self._socket is None:
            return
        self._wanted_port = self.port
        self._uvicorn.should_exit = True
        self._thread.join(timeout=2.0)
        self._socket.close()
        self._uvicorn = self._thread = self._socket = None

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", self._answer_console),
                Route("/metrics", self._answer_metrics),
                Route("/healthz", self._answer_health),
                Route("/readyz", self._answer_readiness),
                Route("/api/v1/status", self._answer_status),
                Route("/api/v1/explanations", self._answer_explanations),
            ]
        )

    async def _answer_console(self, request: Request) -> Response:  # noqa: ARG002 - the same for all
        return HTMLResponse(self._console, headers=_CONSOLE_HEADERS)

    async def _answer_metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": content_type})

    async def _answer_health(self, request: Request) -> Response:  # noqa: ARG002
        status = self._board.snapshot()
        return _json(
            {"healthy": status.healthy, "bands": [_health(band) for band in status.bands]},
            200 if status.healthy else 503,
        )

    async def _answer_readiness(self, request: Request) -> Response:  # noqa: ARG002
        status = self._board.snapshot()
        return _json(
            {"ready": status.ready, "bands": [_readiness(band) for band in status.bands]},
            200 if status.ready else 503,
        )

    async def _answer_status(self, request: Request) -> Response:  # noqa: ARG002
        return _json(self._board.snapshot(), 200)

    async def _answer_explanations(self, request: Request) -> Response:  # noqa: ARG002
        return _json({"explanations": self.explanations(), "forecast_maps": self.forecast_maps()}, 200)


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise BadInput(
            f"server.host {host!r} names no address of this machine: {error.strerror or error}"
        ) from error
    # `localhost` is both ::1 and 127.0.0.1: one is served, the one that every client tries.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise BadInput(_refusal(host, port, error)) from error
    return listener


def _refusal(host: str, port: int, error: OSError) -> str:
    why = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return f"server.port {port} on {host} is not allowed: {why}; ports below 1024 need a privilege"
    if why == "Address already in use":
        how = "stop what uses it, choose another port, or serve nothing (replay --no-serve)"
        return f"server.port {port} on {host} is taken: {why}; {how}"
    return f"server.host {host!r} cannot be listened on: {why}"


def _health(band: BandStatus) -> dict[str, Any]:
    if band.last_frame_ns is None:
        says = f"no row yet for {band.silent_seconds:.1f} s"
    elif band.flowing:
        says = "rows are flowing"
    else:
        says = f"no row for {band.silent_seconds:.1f} s, {band.silence_allowed_seconds:.1f} s are allowed"
    return {
        "node": band.node,
        "band": band.band,
        "healthy": band.flowing,
        "silent_seconds": round(band.silent_seconds, 3),
        "silence_allowed_seconds": band.silence_allowed_seconds,
        "rows": band.rows,
        "says": says,
    }


def _readiness(band: BandStatus) -> dict[str, Any]:
    if band.ready:
        says = "windows are given clusters" if band.segments else "too narrow for windows; forecasts only"
    elif band.warming is not None:
        says = f"warming up: {band.warming.windows} of {band.warming.needed} windows"
    else:
        says = "warming up"
    return {
        "node": band.node,
        "band": band.band,
        "ready": band.ready,
        "model": band.model,
        "forecasting": band.forecast is not None,
        "says": says,
    }


def _json(answer: Any, status_code: int) -> Response:
    return Response(
        msgspec.json.encode(answer),
        status_code=status_code,
        media_type="application/json",
        headers=_NOT_STORED,
    )
