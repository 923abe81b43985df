"""The agent that was never interrupted: what a store holds, sent down new routes in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from bandwatch.agent.logs import open_log
from bandwatch.agent.notes import STRIDE, note_of
from bandwatch.agent.routes import Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.config.loader import load
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.journal import Note

RESULTS = ("verdict", "fitted", "unfitted")
GAUGES = ("noise_floor_db", "cluster", "novelty_ratio", "verdict", "band_forecast_db")

Found = tuple[str, str, int | None, tuple[tuple[str, Any], ...]]


class Rerun:
    """Takes entries in their order. `found` is what came out and `told` what the store says came out of the
    same rows: kind, band, time and facts of each verdict and fit."""

    def __init__(self, settings_path: Path) -> None:
        settings = load(settings_path, {})
        self._registry = CollectorRegistry()
        self._telemetry = Telemetry(self._registry, open_log("error", "json"))
        with tempfile.TemporaryDirectory() as cache:
            bundle = Bundle.load(
                shipped_bundle(), device="cpu", threads=settings.models.threads, cache_directory=Path(cache)
            )
        self._routes = Routes(settings, bundle, self._telemetry, only_configured=True)
        self.found: list[Found] = []
        self.told: list[Found] = []
        self.rows = 0

    def take(self, entries: Iterable[tuple[int, PsdFrame | Gap | Note]]) -> Rerun:
        for _, item in entries:
            route = self._routes.of(item.node, item.band) if item.node else None
            if route is None:
                continue
            if isinstance(item, Note):
                if item.kind == STRIDE:
                    route.stride_rows = int(item.facts["rows"])
                elif item.kind in RESULTS:
                    self.told.append(_found(item))
                continue
            self.rows += isinstance(item, PsdFrame)
            for output in route.take(item):
                self._telemetry.take(output)
                note = note_of(output, item.time_ns)
                if note is not None and note.kind in RESULTS:
                    self.found.append(_found(note))
        return self

    def gauges(self) -> dict[str, str]:
        """What /metrics of the uninterrupted agent would say of the newest windows and forecasts."""
        return gauges(generate_latest(self._registry).decode())


def gauges(text: str) -> dict[str, str]:
    """Values of `GAUGES` by name and labels, from the text of /metrics."""
    wanted = tuple(f"bandwatch_{name}{{" for name in GAUGES)
    pairs = (tuple(row.rsplit(" ", 1)) for row in text.splitlines() if row.startswith(wanted))
    return dict(pairs)


def _found(note: Note) -> Found:
    # A fit is dated by the clock of the day it happened on, a verdict by its rows.
    time_ns = note.time_ns if note.kind == "verdict" else None
    return note.kind, note.band, time_ns, tuple(sorted((k, _plain(v)) for k, v in note.facts.items()))


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
