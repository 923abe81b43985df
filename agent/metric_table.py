"""Every metric the agent exports: the table that the code, the documentation and the tests are made from."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

PREFIX = "bandwatch_"
LABELS_ALLOWED = frozenset(
    {"node", "band", "segment", "cluster", "state", "model", "stage", "reason", "horizon", "kind", "rank"}
)
MOST_SERIES_A_BAND = 1_000
MOST_SEGMENTS = 92
MOST_CLUSTERS = 100
MOST_NAMES = 24

Kind = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` without the prefix, `about` with its unit; an `info` is a gauge that is always 1."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    about: str
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name Prometheus sees."""
        return PREFIX + self.name


_BAND = ("node", "band")
_SECONDS_TO_A_VERDICT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SECONDS_IN_A_STAGE = (1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_ERRORS_DB = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)

METRICS: tuple[Metric, ...] = (
    Metric("frames_received_total", "counter", _BAND, "Rows received from the source."),
    Metric(
        "frames_lost_total",
        "counter",
        (*_BAND, "reason"),
        "Rows that never came, where their number is known.",
    ),
    Metric(
        "frames_ignored_total",
        "counter",
        (*_BAND, "reason"),
        "Rows received and passed over: `duplicate`, `out_of_order`, or of a stream since `replaced`.",
    ),
    Metric(
        "samples_lost_total",
        "counter",
        (*_BAND, "reason"),
        "Complex samples the receiver lost, where their number is known.",
    ),
    Metric(
        "gaps_total",
        "counter",
        (*_BAND, "reason"),
        "Breaks in the row of rows, those of unknown size too; no window spans one.",
    ),
    Metric("decode_errors_total", "counter", ("reason",), "Messages that could not be read; skipped."),
    Metric(
        "last_frame_timestamp_seconds",
        "gauge",
        _BAND,
        "Start of the newest row as its source dated it, Unix seconds (UTC); old in a replay.",
    ),
    Metric("noise_floor_db", "gauge", _BAND, "Tracked noise floor, in the unit of the band's rows."),
    Metric(
        "input_level_dbfs",
        "gauge",
        _BAND,
        "Mean power of the newest row's bins, dBFS per bin (per Hz where rows are); only for rows in dBFS.",
    ),
    Metric("occupancy_ratio", "gauge", _BAND, "Share of the newest row's bins 6 dB or more above the floor."),
    Metric("windows_total", "counter", _BAND, "Windows of 128 rows looked at, all segments."),
    Metric(
        "windows_discarded_total",
        "counter",
        (*_BAND, "reason"),
        "Windows that a gap, or a band of too few bins, kept from being cut.",
    ),
    Metric(
        "cluster_windows_total",
        "counter",
        (*_BAND, "cluster"),
        "Windows given to a cluster, all segments; from 0 again with a new band model.",
    ),
    Metric(
        "cluster",
        "gauge",
        (*_BAND, "segment"),
        "Cluster of the segment's newest window: a name, not a quantity; NaN while warming up.",
    ),
    Metric(
        "novelty_ratio",
        "gauge",
        (*_BAND, "segment"),
        "1 - conformal p of the newest window: 0.99 means stranger than 99 % of the band's own past; "
        "NaN while warming up.",
    ),
    Metric(
        "drift_ratio",
        "gauge",
        _BAND,
        "At least this share of the windows of the last hours is strange to the band's model; from 0.25 on "
        "the band drifts; NaN until an hour has been heard.",
    ),
    Metric("verdict", "gauge", (*_BAND, "segment", "state"), "1 for the segment's present state, else 0."),
    Metric(
        "band_forecast_db",
        "gauge",
        (*_BAND, "horizon"),
        "Newest forecast, mean over frequencies, in the band's unit; `horizon` counts steps ahead.",
    ),
    Metric(
        "forecast_abs_error_db",
        "histogram",
        (*_BAND, "horizon"),
        "Mean absolute error over frequencies of forecasts whose step has come, dB.",
        _ERRORS_DB,
    ),
    Metric(
        "forecast_rmse_db",
        "gauge",
        (*_BAND, "horizon"),
        "Root mean square error of the last 60 forecasts of this horizon, dB.",
    ),
    Metric(
        "forecast_skill_ratio",
        "gauge",
        _BAND,
        "1 - RMSE / RMSE of repeating the last step, over the last 60 forecasts of each horizon: "
        "above 0 is better than repeating, below 0 worse.",
    ),
    Metric(
        "forecast_coverage_ratio",
        "gauge",
        _BAND,
        "Share of values that fell inside their forecast's interval, over the last 60 of each horizon.",
    ),
    Metric(
        "idle_probability_ratio",
        "gauge",
        (*_BAND, "horizon"),
        "Newest forecast, mean over frequencies of the probability that a channel lies less than "
        "`history.idle_margin_db` above the noise floor: the share of idle channels to expect.",
    ),
    Metric(
        "forecaster_changes_total",
        "counter",
        _BAND,
        "Times that another forecaster was given out because it was better on recent truth.",
    ),
    Metric(
        "deviations_total",
        "counter",
        _BAND,
        "Times that a segment left its forecasts, all segments; the event `deviation` says where.",
    ),
    Metric(
        "forecast_refits_total", "counter", _BAND, "Re-fits of the default forecaster that were put to use."
    ),
    Metric(
        "forecast_refits_skipped_total",
        "counter",
        (*_BAND, "reason"),
        "Re-fits that changed nothing: `too_few_steps` in the store, or the one in use is `no_worse` on the "
        "newest steps.",
    ),
    Metric(
        "forecast_refits_failed_total",
        "counter",
        (*_BAND, "reason"),
        "Re-fits that came to nothing: the worker was `killed`, took too long (`timeout`), could not use "
        "what is stored (`refused`), broke (`error`), or the `disk` failed.",
    ),
    Metric(
        "forecast_fit_timestamp_seconds",
        "gauge",
        _BAND,
        "When the default forecaster in use was fitted, Unix seconds (UTC).",
    ),
    Metric(
        "forecast_fit_duration_seconds",
        "gauge",
        _BAND,
        "Time its fit took, from start to end of the worker, seconds.",
    ),
    Metric(
        "forecast_fit_skill_ratio",
        "gauge",
        _BAND,
        "1 - RMSE / RMSE of repeating the last step, on the newest steps, which the fit had not seen.",
    ),
    Metric(
        "stage_duration_seconds",
        "histogram",
        ("stage",),
        "Time one call of a stage of the route took, seconds.",
        _SECONDS_IN_A_STAGE,
    ),
    Metric(
        "frame_latency_seconds",
        "histogram",
        _BAND,
        "From the end of a window's last row to the verdict on it, seconds.",
        _SECONDS_TO_A_VERDICT,
    ),
    Metric("queue_depth", "gauge", ("stage",), "Items waiting before a stage."),
    Metric(
        "queue_fill_ratio",
        "gauge",
        ("stage",),
        "How full the fullest queue before a stage is, by items or by bytes; when full the oldest are lost.",
    ),
    Metric(
        "stride_rows",
        "gauge",
        _BAND,
        "Rows from one window to the next; more than configured while the agent cannot keep up.",
    ),
    Metric(
        "windows_shed_total",
        "counter",
        _BAND,
        "Windows not looked at because the stride was raised.",
    ),
    Metric(
        "explanation_windows",
        "gauge",
        _BAND,
        "Recent windows that explanations of the band can be made from; at most `explain.most_windows`.",
    ),
    Metric(
        "explanation_last_success_timestamp_seconds",
        "gauge",
        (*_BAND, "kind"),
        "When the band's newest explanation was published, Unix seconds (UTC).",
    ),
    Metric(
        "explanation_duration_seconds",
        "gauge",
        (*_BAND, "kind"),
        "Time a part of the newest explanation took, seconds; `all`, and `forecast` of the map of what the "
        "forecaster looks at: from start to end of the worker.",
    ),
    Metric(
        "tree_fidelity_ratio",
        "gauge",
        _BAND,
        "Share of recent windows to which a shallow tree that had not seen them gives their cluster; "
        "NaN where there are too few to tell.",
    ),
    Metric("tree_depth", "gauge", _BAND, "Cuts on the longest path of the band's shallow tree."),
    Metric(
        "explanations_made_total",
        "counter",
        _BAND,
        "Explanations published; the log says what asked for each.",
    ),
    Metric(
        "explanations_skipped_total",
        "counter",
        (*_BAND, "reason"),
        "Requests passed over: `busy`, the band is being explained or waits for it; `warming_up`, it has no "
        "model yet, or fewer than four windows a cluster.",
    ),
    Metric(
        "explanations_failed_total",
        "counter",
        (*_BAND, "reason"),
        "Explanations that came to nothing: the worker was `killed`, took too long (`timeout`), could not "
        "use what it was given (`refused`), broke (`error`), or the `disk` failed.",
    ),
    Metric(
        "forecast_map_tenth_ratio",
        "gauge",
        _BAND,
        "Share that the most important tenth of the frequencies has in what the forecaster looks at: 0.1 "
        "where all count alike; NaN where none does.",
    ),
    Metric(
        "forecast_map_newest_ratio",
        "gauge",
        _BAND,
        "Share that the newest 3 of the last 24 steps have in it; 0.125 where all count alike.",
    ),
    Metric(
        "frequency_importance_hz",
        "gauge",
        (*_BAND, "rank"),
        "Middle of the range of frequencies that drives forecasts most (`rank` 1), and of the next ones; NaN "
        "where there are fewer.",
    ),
    Metric(
        "frequency_importance_ratio",
        "gauge",
        (*_BAND, "rank"),
        "That range's share of all that the forecaster looks at.",
    ),
    Metric(
        "forecast_maps_made_total",
        "counter",
        _BAND,
        "Forecast maps published; the log says what asked for each.",
    ),
    Metric(
        "forecast_maps_skipped_total",
        "counter",
        (*_BAND, "reason"),
        "Forecast maps not made: `busy`, the band's is being made or waits; `warming_up`, there are fewer "
        "than 12 windows of 24 steps yet.",
    ),
    Metric(
        "forecast_maps_failed_total",
        "counter",
        (*_BAND, "reason"),
        "Forecast maps that came to nothing: the worker was `killed`, took too long (`timeout`), could not "
        "use what it was given (`refused`), broke (`error`), or the `disk` failed.",
    ),
    Metric("store_bytes", "gauge", (), "What the store holds on its disk, bytes."),
    Metric("store_rows_total", "counter", _BAND, "Rows recorded in the store."),
    Metric(
        "store_unrecorded_rows_total",
        "counter",
        _BAND,
        "Rows looked at and not recorded: the disk is full, too slow, or cannot be written.",
    ),
    Metric("store_recording", "gauge", (), "1 while rows are recorded, 0 while they cannot be."),
    Metric(
        "build_info",
        "info",
        ("kind", "model"),
        "A part of what runs: `kind` names it, `model` is its version.",
    ),
    Metric(
        "model_info",
        "info",
        (*_BAND, "kind", "model"),
        "A model in use: `kind` is `encoder` (all bands, no node or band), `activity` or `forecast`.",
    ),
    Metric(
        "cluster_info",
        "info",
        (*_BAND, "cluster", "kind"),
        "A cluster that has a name: `kind` is the name people gave it (`bandwatch name`).",
    ),
)


def metrics_page() -> str:
    """`docs/metrics.md`, whole; a test fails when the file is another text."""
    lines = [
        "# Metrics",
        "",
        "What `/metrics` exports. This page is made from `agent/metric_table.py` by",
        "`python -m bandwatch.agent.metric_table > docs/metrics.md`.",
        "",
        f"All names begin with `{PREFIX}`. Values in dB are in the unit of the band's rows, which its",
        f"source states (`dBFS/bin`, `dBm/bin`, ...). A band has at most {MOST_SERIES_A_BAND:,} series;",
        "no label takes a value from the air.",
        "",
        "| metric | kind | labels | what it is |",
        "|---|---|---|---|",
    ]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        about = metric.about.replace("|", "\\|")
        lines.append(f"| `{metric.full_name}` | {metric.kind} | {labels} | {about} |")
    lines += [
        "",
        "Values of the labels:",
        "",
        f"- `segment`: 0 is the band's lowest; segments from {MOST_SEGMENTS} on have no series of their own,",
        "  the console and `/api/v1/status` have them all.",
        f"- `cluster`: numbers of the band model in `model_info`; from {MOST_CLUSTERS} on without series;",
        f"  of those that have a name the lowest {MOST_NAMES} are in `cluster_info`.",
        "- `state`: `warming_up`, `normal`, `novel`, `deviating`.",
        "- `reason`: of gaps `overflow`, `lost`, `retuned`, `gain`, `clock`, `restart`, `source`;",
        "  of windows these and `too_few_bins`.",
        "- `kind`: of models see `model_info`; of explanations `tree`, `portraits`,",
        "  `attributions`, and `forecast`; of durations also `all`.",
        "- `rank`: 1 to 5.",
        "- `horizon`: 1 to 12, forecast steps ahead (a step is 60 s, or a row where rows last longer).",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
