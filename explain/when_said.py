"""Time in words: which hours of the day count for a forecast, and how old the rows are that do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import Float32
from .amounts import amount, correlation
from .forecast_hours import HOURS, HourProfile
from .frequency_ranges import listed

STEADY = 0.5
BUSY, QUIET = 1.15, 0.85  # of an average hour


def hour_ranges(hours: NDArray[np.bool_]) -> str:
    """Hours [24] as ranges of the clock, over midnight where they go on there: `22–03`."""
    if hours.all():
        return "00–24"
    starts = [hour for hour in range(HOURS) if hours[hour] and not hours[hour - 1]]
    found = []
    for start in starts:
        length = next(n for n in range(1, HOURS + 1) if not hours[(start + n) % HOURS])
        found.append(f"{start:02d}–{(start + length) % HOURS or HOURS:02d}")
    return listed(found)


def attention_said(network: str, profile: HourProfile) -> str:
    """Which hours count for a forecaster, and whether they do in both halves of the rows."""
    if not profile.whole:
        return (
            "Of hours of the day nothing can be said: the recording does not hold each of them in both of "
            "its halves, or all are alike."
        )
    share = profile.share
    busy, quiet = share >= BUSY, share <= QUIET
    if profile.steady < STEADY:
        return (
            "No hour of the day drives the forecast: those that stand out in the recording's first half are "
            f"others than in its second (correlation {correlation(profile.steady)})."
        )
    if not busy.any() and not quiet.any():
        return f"All hours of the day count alike for the {network}: none differs by more than 15 %."
    said = []
    if busy.any():
        said.append(
            f"what is heard at {hour_ranges(busy)} UTC counts most for the {network} "
            f"({float(share[busy].mean()):.1f} times as much as an average hour)"
        )
    if quiet.any():
        said.append(f"least at {hour_ranges(quiet)} UTC ({float(share[quiet].mean()):.1f} times)")
    return (
        f"{first_up(', '.join(said))}; so it was in both halves of the recording (correlation "
        f"{profile.steady:.2f})."
    )


def newest_said(who: str, moved: Float32, step_s: float) -> str:
    """How old the rows are that count, of what each of the last 24, oldest first, adds or moves."""
    whole = float(moved.sum())
    if not whole > 0:
        return f"{who} does not heed the last {len(moved)} rows"
    # The newest rows that have, together, half of what single rows have.
    half = int(np.searchsorted(np.cumsum(moved[::-1]), whole / 2)) + 1
    unseen = int(np.argmax(moved[::-1] > 0))
    return (
        f"half of what {who} takes from its last {len(moved)} rows is in the newest {half} "
        f"({span(half * step_s)})" + (f", and the newest {unseen} it does not heed at all" if unseen else "")
    )


def span(seconds: float) -> str:
    return amount(seconds, "s")


def first_up(text: str) -> str:
    """With a capital."""
    return text[:1].upper() + text[1:]
