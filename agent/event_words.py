"""An event of the store in a line of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..pipeline.journal import Note
from .deviation import OffRange
from .wording import clock


def event_words(event: Note) -> str:
    """What an event says beside its time, band and kind; any facts at all, those of later versions too."""
    facts = dict(event.facts)
    match event.kind:
        case "verdict":
            return _verdict(facts)
        case "gap":
            return _gap(facts)
        case "drift":
            return _drift(facts)
        case "deviation":
            return _deviation(facts)
        case "forecast_model":
            return _forecast_model(facts)
        case "refit":
            return _refit(facts)
        case "forecast_explained":
            return (
                f"what the {facts.get('model')} looks at ({facts.get('measure')}, {facts.get('windows')} "
                f"windows): {_value(facts.get('says'))} {_value(facts.get('folder'))}"
            )
        case "fitted" if facts.get("windows"):
            return (
                f"model {facts.get('model')}: {facts.get('clusters')} clusters of {facts['windows']} windows"
            )
        case "fitted":
            return f"model {facts.get('model')}: {facts.get('clusters')} clusters, as it was stored"
        case "stride":
            return f"a window every {facts.get('rows')} rows"
        case "unrecorded":
            return f"{facts.get('rows')} rows are not in the store: {facts.get('reason')}"
        case _:
            return _listed(facts)


def _verdict(facts: dict[str, Any]) -> str:
    segment, state, was, score = (facts.pop(name, None) for name in ("segment", "state", "was", "score"))
    reasons = facts.pop("reasons", None) or []
    words = f"segment {segment}: {state}"
    if was is not None:
        words += f", was {was}"
    if isinstance(score, int | float):
        words += f" ({score:.3g})"
    return "; ".join([words, *map(str, reasons), *([_listed(facts)] if facts else [])])


def _drift(facts: dict[str, Any]) -> str:
    ratio = facts.get("ratio")
    share = f"{ratio:.0%}" if isinstance(ratio, int | float) else _value(ratio)
    words = "the band drifts" if facts.get("drifting") else "the band drifts no longer"
    return f"{words}: {share} of its windows at least are strange to its model"


def _deviation(facts: dict[str, Any]) -> str:
    begun_ns, ended_ns, share = (facts.get(name) for name in ("begun_ns", "ended_ns", "share"))
    missed = f"{share:.0%}" if isinstance(share, int | float) else _value(share)
    since = f"since {_clock(begun_ns)}"
    words = f"{missed} of its forecasts are missed {since}"
    if ended_ns is not None:
        words = f"back at its forecasts; from {_clock(begun_ns)} to {_clock(ended_ns)} up to {missed} missed"
    beside = facts.get("beside")
    others = f" (and {_value(beside)} at that time)" if isinstance(beside, list) and beside else ""
    where = f"segment {facts.get('segment')}{others}"
    return "; ".join([f"{where}: {words}", *_range_words(facts.get("ranges"))])


def _range_words(ranges: Any) -> list[str]:
    try:
        return [str(OffRange(**each)) for each in ranges]
    except (TypeError, ValueError):
        return []


def _clock(time_ns: Any) -> str:
    try:
        return clock(time_ns)
    except (TypeError, ValueError, OverflowError, OSError):
        return _value(time_ns)


def _forecast_model(facts: dict[str, Any]) -> str:
    rmse_db, was_rmse_db = _value(facts.get("rmse_db")), _value(facts.get("was_rmse_db"))
    return (
        f"{facts.get('model')} ({rmse_db} dB) instead of {facts.get('was')} ({was_rmse_db} dB), "
        f"over the last {facts.get('steps')} steps"
    )


def _refit(facts: dict[str, Any]) -> str:
    rmse_db, repeat_last_rmse_db = _value(facts.get("rmse_db")), _value(facts.get("repeat_last_rmse_db"))
    return (
        f"forecaster {facts.get('fit')} of {facts.get('steps')} steps: {rmse_db} dB on the newest, "
        f"which it had not seen, where repeat-last has {repeat_last_rmse_db} dB"
    )


def _gap(facts: dict[str, Any]) -> str:
    rows, samples = facts.get("lost_rows"), facts.get("lost_samples")
    lost = "unknown many rows" if rows is None else f"{rows} rows"
    return f"{facts.get('reason')}: {lost} lost" + (f", {samples} samples" if samples else "")


def _listed(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in facts.items())


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return " ".join(str(value).split())
