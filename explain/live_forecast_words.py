"""A forecast map in words and figures: which frequencies, which hours, and how old rows are that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .amounts import amount, percent
from .frequency_ranges import listed, range_said, ranges_of
from .importance import most_important
from .live_forecast_map import ForecastMap
from .published_map import GRAD_CAM
from .when_said import BUSY, QUIET, attention_said, first_up, hour_ranges, newest_said

MOST_RANGES = 5
LEAST_COLUMNS = 3
NEWEST_ROWS = 3
FAR_OUT = 1.5  # times the share that it would have if all counted alike
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class DrivingRange:
    """Frequencies that stand side by side, and their share of what all frequencies come to."""

    low_hz: float
    high_hz: float
    share: float
    said: str


@dataclass(frozen=True, slots=True)
class MapWords:
    """`ranges`: at most five, the greatest share first, of the most important tenth of the frequencies those
    that have 1.5 times as much as all have alike or more; three frequencies where none has.

    `tenth_ratio` is the share of the most important tenth of the frequencies, `newest_ratio` that of the
    newest three steps; NaN where nothing counts. The rest are sentences.
    """

    ranges: tuple[DrivingRange, ...]
    tenth_ratio: float
    newest_ratio: float
    measured: str
    frequencies: str
    back: str
    hours: str

    @property
    def all(self) -> str:
        return " ".join((self.measured, self.frequencies, self.back, self.hours))


def map_words(found: ForecastMap) -> MapWords:
    """All of it; numbers are those of the map."""
    by_frequency, by_step = found.by_frequency.astype(np.float64), found.by_step.astype(np.float64)
    count, whole = len(by_frequency), float(by_frequency.sum())
    tenth = max(1, count // 10)
    some = whole > 0
    ranges = _ranges(found) if some else ()
    tenth_ratio = float(np.sort(by_frequency)[::-1][:tenth].sum() / whole) if some else np.nan
    newest = float(by_step[-NEWEST_ROWS:].sum() / by_step.sum()) if by_step.sum() > 0 else np.nan
    back = newest_said(f"the {found.model}", found.by_step, found.table.step_s)
    return MapWords(
        ranges=ranges,
        tenth_ratio=tenth_ratio,
        newest_ratio=newest,
        measured=_measured(found),
        frequencies=_frequencies(found, ranges, tenth_ratio, tenth / count),
        back=f"{first_up(back)}.",
        hours=_hours(found),
    )


def _ranges(found: ForecastMap) -> tuple[DrivingRange, ...]:
    values, hz = found.by_frequency, found.table.frequencies_hz
    whole = float(values.sum(dtype=np.float64))
    top = most_important(values, max(LEAST_COLUMNS, len(values) // 10))
    far_out = top[values[top] >= FAR_OUT * whole / len(values)]
    top = far_out if len(far_out) else top[:LEAST_COLUMNS]
    made = [
        DrivingRange(
            low_hz=float(min(hz[first], hz[last])),
            high_hz=float(max(hz[first], hz[last])),
            share=float(values[first : last + 1].sum(dtype=np.float64) / whole),
            said=range_said(first, last, hz),
        )
        for first, last in ranges_of(top)
    ]
    return tuple(sorted(made, key=lambda each: -each.share)[:MOST_RANGES])


def _measured(found: ForecastMap) -> str:
    rows = f"{len(found.table.values):,} rows of {amount(found.table.step_s, 's')}"
    if found.measure == GRAD_CAM:
        return (
            f"Forecasts are by the {found.model}; this is the evidence for a higher mean forecast that it "
            f"finds (Grad-CAM) in {found.windows:,} windows of the last {rows}."
        )
    return (
        f"Forecasts are by the {found.model}; this is how far they move when a part of the past is hidden "
        f"(at its mean), in {found.windows:,} windows of the last {rows}."
    )


def _frequencies(found: ForecastMap, ranges: tuple[DrivingRange, ...], ratio: float, even: float) -> str:
    if not ranges:
        return f"No frequency drives what the {found.model} forecasts."
    most = listed([each.said for each in ranges])
    share = percent(sum(each.share for each in ranges))
    far = "" if ratio >= FAR_OUT * even else ": no frequency stands far out"
    own = (
        "; each frequency is forecast from its own past alone, so those count that stray farthest from their "
        "mean"
        if found.columns_apart
        else ""
    )
    return (
        f"It is driven most by {most} ({share} of all){own}. The first tenth of the frequencies has "
        f"{percent(ratio)}, alike they would have {percent(even)}{far}."
    )


def _hours(found: ForecastMap) -> str:
    if found.span_seconds < DAY_SECONDS - 2 * found.table.step_s:
        span = amount(found.span_seconds, "s")
        return f"The rows span {span}: less than a day tells nothing of hours of the day."
    if found.hours.whole:
        return attention_said(found.model, found.hours)
    share = found.hours.share
    busy, quiet = share >= BUSY, share <= QUIET
    said = []
    if busy.any():
        said.append(
            f"most at {hour_ranges(busy)} UTC ({float(share[busy].mean()):.1f} times an average hour)"
        )
    if quiet.any():
        said.append(f"least at {hour_ranges(quiet)} UTC ({float(share[quiet].mean()):.1f} times)")
    if not said:
        return "All hours of these rows count alike: none differs by more than 15 %."
    return f"What was heard counts {', '.join(said)}; so few days do not say whether it is so on every day."
