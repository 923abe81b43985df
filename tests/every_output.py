"""One of everything that a route puts out, for what people and Prometheus see of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from bandwatch.agent.deviation import Deviation, OffRange
from bandwatch.agent.outputs import Discarded, Fitted, Named, Output, Unfitted
from bandwatch.agent.telemetry import Telemetry
from bandwatch.models.drift import Drift
from bandwatch.models.scoring import Score
from bandwatch.models.standings import ForecasterChange
from bandwatch.pipeline.frames import (
    Assignment,
    Forecast,
    Gap,
    GapReason,
    LevelledRow,
    PsdFrame,
    Verdict,
    VerdictState,
)

SECOND = 1_000_000_000
START_NS = 1_800_000_000 * SECOND


def frame(
    seq: int = 0, *, bins: int = 1024, band: str = "band", row_seconds: float = 0.2, **changes: Any
) -> PsdFrame:
    """A flat row of -100 dBFS with one bin at -40; `changes` are fields."""
    power_db = np.full(bins, -100.0, np.float32)
    power_db[bins // 2] = -40.0
    duration_ns = round(row_seconds * SECOND)
    plain = PsdFrame(
        node="node",
        band=band,
        stream=7,
        seq=seq,
        time_ns=START_NS + seq * duration_ns,
        duration_ns=duration_ns,
        center_hz=868.3e6,
        bin_hz=187.5,
        power_db=power_db,
        unit="dBFS/bin",
    )
    return replace(plain, **changes)


def row(seq: int = 0, **changes: Any) -> LevelledRow:
    """That row with its level."""
    return LevelledRow(frame(seq, **changes), noise_floor_db=-101.5, level_db=-69.0, occupancy_ratio=0.25)


def assignment(
    segment: int, cluster: int | None, novelty: float | None = 0.5, band: str = "band"
) -> Assignment:
    """A window's label; no cluster, no novelty."""
    known = cluster is not None
    return Assignment(
        "node",
        band,
        segment,
        START_NS,
        START_NS + SECOND,
        cluster,
        1.5 if known else None,
        novelty if known else None,
        "band-model" if known else "encoder",
    )


def verdict(segment: int, state: VerdictState, band: str = "band", score: float = 0.99) -> Verdict:
    """A verdict with two reasons."""
    return Verdict("node", band, segment, START_NS, state, score, ("one reason", "another"))


def forecast(model: str = "nlinear", mean_db: float = -90.0, band: str = "band") -> Forecast:
    """Twelve steps of four frequencies; step k is `mean_db` + k, its interval 2 dB either way.

    In step k, two channels are idle with probability k / 24, two with k / 12.
    """
    mean = np.repeat(mean_db + np.arange(1, 13, dtype=np.float32)[:, None], 4, axis=1)
    return Forecast(
        "node",
        band,
        START_NS,
        60.0,
        np.linspace(868.2e6, 868.4e6, 4),
        mean,
        mean - np.float32(2),
        mean + np.float32(2),
        model,
        np.outer(np.arange(1, 13) / 24, [1, 1, 2, 2]).astype(np.float32),
        mean_db + 6,
    )


def score(horizon: int = 1, rmse_db: float = 1.0, repeat_last_rmse_db: float = 2.0, **changes: Any) -> Score:
    """What a step proved."""
    plain = Score(
        "node",
        "band",
        START_NS,
        START_NS + SECOND,
        horizon,
        "nlinear",
        0.8,
        rmse_db,
        repeat_last_rmse_db,
        0.9,
    )
    return replace(plain, **changes)


def change(model: str = "nlinear", was: str = "repeat-last", band: str = "band") -> ForecasterChange:
    """Another forecaster is given out."""
    return ForecasterChange("node", band, START_NS, model, was, 1.25, 1.5, 96)


def deviation(segment: int = 0, ended_ns: int | None = None, band: str = "band") -> Deviation:
    """A deviation that begins, or ends."""
    ranges = (OffRange(868.21e6, 868.23e6, 40, 6.25),)
    return Deviation("node", band, segment, START_NS, ended_ns, 0.75, 0.35, ranges)


def gap(
    reason: GapReason = "lost", rows: int | None = 3, samples: int | None = None, band: str = "band"
) -> Gap:
    """A gap."""
    return Gap("node", band, 5, rows, samples, reason, START_NS)


def everything(
    *, bins: int = 1024, segments: int = 8, clusters: int = 24, band: str = "band"
) -> list[Output]:
    """At least one of every output, every segment, cluster, horizon, state and reason."""
    outputs: list[Output] = [Fitted("node", band, 24, clusters, "band-model"), Unfitted("node", band)]
    outputs += [Fitted("node", band, 96, clusters, "band-model"), row(0, bins=bins, band=band)]
    outputs += [assignment(n % segments, n % clusters, band=band) for n in range(max(segments, clusters))]
    outputs += [Drift("node", band, START_NS, 0.3125, drifting=True, crossed=True)]
    states = get_args(VerdictState)
    outputs += [verdict(segment, states[segment % 4], band) for segment in range(segments)]
    outputs += [Named("node", band, tuple((n, f"name {n}") for n in range(clusters)))]
    outputs += [forecast(band=band), change(band=band)]
    outputs += [deviation(band=band), deviation(ended_ns=START_NS + 60 * SECOND, band=band)]
    outputs += [replace(score(horizon), band=band) for horizon in range(1, 13)]
    outputs += [gap(reason, 3, 4096, band) for reason in get_args(GapReason)]
    outputs += [
        Discarded("node", band, reason, 8, START_NS) for reason in (*get_args(GapReason), "too_few_bins")
    ]
    return outputs


def feed(telemetry: Telemetry, outputs: list[Output], band: str = "band") -> None:
    """Outputs, and what the surroundings of a route report."""
    telemetry.started("0.1.0")
    telemetry.bundle_loaded("0123456789ab", "models/shipped", "cpu")
    telemetry.frame_ignored("node", band, "duplicate")
    telemetry.frames_received("node", band, 1)
    for output in outputs:
        telemetry.take(output)
    for stage in ("embed", "assign", "fit", "forecast"):
        telemetry.stage_timed(stage, 0.003)
    telemetry.latency("node", band, 0.2)
    telemetry.queue_depth("intake", 3)
    telemetry.queue_fill("intake", 0.3)
    telemetry.stride_changed("node", band, 32, was=16, fill=0.3)
    telemetry.windows_shed("node", band, 8)
    telemetry.explanation_windows("node", band, 2048)
    kinds = ("tree", "portraits", "attributions", "all")
    telemetry.explanation_made(
        "node",
        band,
        reason="novel",
        made_ns=START_NS,
        seconds=dict.fromkeys(kinds, 1.5),
        fidelity=0.875,
        depth=6,
        windows=2048,
        folder="explain/0123456789ab/node/band/20270115T080000-000000000",
    )
    telemetry.forecast_map_found(
        "node",
        band,
        made_ns=START_NS,
        tenth_ratio=0.4,
        newest_ratio=0.6,
        ranges=[(868.1e6, 0.2), (868.3e6, 0.1)],
    )
    telemetry.forecast_map_made(
        "node",
        band,
        reason="deviating",
        model="default",
        measure="occlusion",
        windows=120,
        seconds=28.5,
        sentence="It is driven most by 868.1 MHz.",
        folder="explain/forecasts/node/band/20270115T080000-000000000",
    )
    for reason in ("busy", "warming_up"):
        telemetry.forecast_map_skipped("node", band, reason)
    for reason in ("killed", "timeout", "refused", "error", "disk"):
        telemetry.forecast_map_failed("node", band, reason, "why")
    for reason in ("busy", "warming_up"):
        telemetry.explanation_skipped("node", band, reason)
    for reason in ("killed", "timeout", "refused", "error", "disk"):
        telemetry.explanation_failed("node", band, reason, "why")
    telemetry.refit_made(
        "node",
        band,
        fit="0123456789ab",
        made_ns=START_NS,
        seconds=12.5,
        steps=2000,
        rmse_db=0.9,
        repeat_last_rmse_db=1.0,
    )
    for reason in ("too_few_steps", "no_worse"):
        telemetry.refit_skipped("node", band, reason)
    for reason in ("killed", "timeout", "refused", "error", "disk"):
        telemetry.refit_failed("node", band, reason, "why")
    telemetry.recording_started()
    telemetry.store_bytes(10_000)
    telemetry.row_stored("node", band)
    telemetry.rows_unrecorded("node", band, 2)
    telemetry.decode_error("version", "version 9, this reads 1")
