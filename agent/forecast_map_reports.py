"""What becomes of forecast maps, as metrics and log lines: one function an event."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from structlog.typing import FilteringBoundLogger

from .series import Metrics

MOST_RANGES = 5
KIND = "forecast"


class ForecastMapReports(ABC):
    """A part of `Reports`, which has the metrics and the log."""

    _metrics: Metrics
    _log: FilteringBoundLogger

    def forecast_map_made(
        self,
        node: str,
        band: str,
        *,
        reason: str,
        model: str,
        measure: str,
        windows: int,
        seconds: float,
        sentence: str,
        folder: str,
    ) -> None:
        """A map was published; the worker took so many seconds."""
        self._metrics.counter("forecast_maps_made_total").labels(node, band).inc()
        self._metrics.gauge("explanation_duration_seconds").labels(node, band, KIND).set(seconds)
        self._log.info(
            "forecast explained",
            node=node,
            band=band,
            reason=reason,
            model=model,
            measure=measure,
            windows=windows,
            says=sentence,
            seconds=round(seconds, 2),
            folder=folder,
        )

    def forecast_map_found(
        self,
        node: str,
        band: str,
        *,
        made_ns: int,
        tenth_ratio: float | None,
        newest_ratio: float | None,
        ranges: Sequence[tuple[float, float]],
    ) -> None:
        """A band's newest map is this one, made now or before the start; `ranges`: middle in Hz and share,
        the greatest first."""
        metrics, at = self._metrics, (node, band)
        metrics.gauge("explanation_last_success_timestamp_seconds").labels(*at, KIND).set(made_ns / 1e9)
        for name, ratio in (("tenth", tenth_ratio), ("newest", newest_ratio)):
            metrics.gauge(f"forecast_map_{name}_ratio").labels(*at).set(math.nan if ratio is None else ratio)
        for rank in range(1, MOST_RANGES + 1):
            middle_hz, share = ranges[rank - 1] if rank <= len(ranges) else (math.nan, math.nan)
            metrics.gauge("frequency_importance_hz").labels(*at, rank).set(middle_hz)
            metrics.gauge("frequency_importance_ratio").labels(*at, rank).set(share)

    def forecast_map_skipped(self, node: str, band: str, reason: str) -> None:
        """A map was due or asked for, and will not be made now."""
        self._metrics.counter("forecast_maps_skipped_total").labels(node, band, reason).inc()

    def forecast_map_failed(self, node: str, band: str, reason: str, message: str) -> None:
        """A map came to nothing; the one before stays."""
        self._metrics.counter("forecast_maps_failed_total").labels(node, band, reason).inc()
        at = ("forecast map", node, band, reason)
        self._line(
            "warning", "forecast not explained", at, node=node, band=band, reason=reason, message=message
        )

    @abstractmethod
    def _line(self, level: str, event: str, kind: tuple[object, ...], **facts: Any) -> None: ...
