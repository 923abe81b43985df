"""The series of the metric table: families by name, and a band's own, looked up once."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..models.forecasters.forecaster import HORIZON_STEPS
from ..pipeline.frames import GapReason, VerdictState
from ..pipeline.windows import segment_starts
from .metric_table import METRICS, MOST_NAMES
from .recent_scores import RecentScores

STATES: tuple[VerdictState, ...] = get_args(VerdictState)
_REASONS: tuple[GapReason, ...] = get_args(GapReason)


class Metrics:
    """The families of the table, by name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            name, about, labels = metric.full_name, metric.about, metric.labels
            if metric.kind == "counter":
                self._counters[metric.name] = Counter(name, about, labels, registry=registry)
            elif metric.kind == "histogram":
                self._histograms[metric.name] = Histogram(
                    name, about, labels, registry=registry, buckets=metric.buckets
                )
            else:
                self._gauges[metric.name] = Gauge(name, about, labels, registry=registry)

    def counter(self, name: str) -> Counter:
        return self._counters[name]

    def gauge(self, name: str) -> Gauge:
        return self._gauges[name]

    def histogram(self, name: str) -> Histogram:
        return self._histograms[name]


class BandSeries:
    """A band's own series, looked up once.

    Those counted by reason begin at 0, so that a rate sees the first loss.
    """

    def __init__(self, metrics: Metrics, node: str, band: str) -> None:
        self._metrics = metrics
        self._at = (node, band)
        self.received = metrics.counter("frames_received_total").labels(node, band)
        self.last_frame = metrics.gauge("last_frame_timestamp_seconds").labels(node, band)
        self.noise_floor = metrics.gauge("noise_floor_db").labels(node, band)
        self.occupancy = metrics.gauge("occupancy_ratio").labels(node, band)
        self.windows = metrics.counter("windows_total").labels(node, band)
        self.drift = metrics.gauge("drift_ratio").labels(node, band)
        self.drift.set(nan)
        self.windows_shed = metrics.counter("windows_shed_total").labels(node, band)
        self.forecaster_changes = metrics.counter("forecaster_changes_total").labels(node, band)
        self.deviations = metrics.counter("deviations_total").labels(node, band)
        self.explanation_windows = metrics.gauge("explanation_windows").labels(node, band)
        self.scores = RecentScores()
        self.states: dict[int, VerdictState] = {}
        self.bins = 0
        self.center_hz = 0.0
        self._input_level: Gauge | None = None
        self._clusters: dict[int, Counter] = {}
        self._names: dict[int, str] = {}
        self._models: dict[str, str] = {}
        for reason in _REASONS:
            for name in ("frames_lost_total", "samples_lost_total", "gaps_total", "windows_discarded_total"):
                metrics.counter(name).labels(node, band, reason)

    def set_input_level(self, level_dbfs: float) -> None:
        if self._input_level is None:
            self._input_level = self._metrics.gauge("input_level_dbfs").labels(*self._at)
        self._input_level.set(level_dbfs)

    def take_geometry(self, bins: int, center_hz: float) -> None:
        """Rows cover another range from now on: what was said of segments and steps held for others."""
        if self.bins:
            for step in range(1, HORIZON_STEPS + 1):
                for name in ("band_forecast_db", "idle_probability_ratio"):
                    self._metrics.gauge(name).remove(*self._at, step)
            for segment in range(len(segment_starts(self.bins))):
                self._metrics.gauge("cluster").remove(*self._at, segment)
                self._metrics.gauge("novelty_ratio").remove(*self._at, segment)
                for state in STATES:
                    self._metrics.gauge("verdict").remove(*self._at, segment, state)
        self.bins, self.center_hz = bins, center_hz
        self.states.clear()
        self.scores = RecentScores()

    def cluster(self, number: int) -> Counter:
        if number not in self._clusters:
            self._clusters[number] = self._metrics.counter("cluster_windows_total").labels(*self._at, number)
        return self._clusters[number]

    def forget_clusters(self) -> None:
        """The numbers mean something else from now on."""
        for number in self._clusters:
            self._metrics.counter("cluster_windows_total").remove(*self._at, number)
        self._clusters.clear()

    def name_clusters(self, names: Iterable[tuple[int, str]]) -> None:
        """These clusters go by these names, no others have one."""
        info = self._metrics.gauge("cluster_info")
        for number, name in self._names.items():
            info.remove(*self._at, number, name)
        self._names = dict(sorted(names)[:MOST_NAMES])
        for number, name in self._names.items():
            info.labels(*self._at, number, name).set(1)

    def drop_model(self, kind: str) -> None:
        """No model of this kind is in use."""
        model = self._models.pop(kind, None)
        if model is not None:
            self._metrics.gauge("model_info").remove(*self._at, kind, model)

    def use_model(self, kind: str, model: str) -> str | None:
        """Show the model of this kind that is in use now; returns the one before, None if there was none."""
        was = self._models.get(kind)
        if was != model:
            if was is not None:
                self._metrics.gauge("model_info").remove(*self._at, kind, was)
            self._models[kind] = model
            self._metrics.gauge("model_info").labels(*self._at, kind, model).set(1)
        return was
