"""An event of the store in a line of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..pipeline.journal import Note


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
