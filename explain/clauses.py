"""The parts of a sentence about a cluster: each from measures, with the facts that its numbers stand for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..models.window_features import FEATURES
from ..pipeline.windows import ABOVE_FLOOR_DB, WINDOW_BINS, WINDOW_ROWS
from .amounts import amount, between, frequencies, frequency
from .plain_names import column_of
from .typical import CENTRE_HZ, INTERVAL_SECONDS, Typical, window_hz, window_seconds

_VARIES = 1.6
_VARIES_DB = 4.0
_STEADY = 1.5
_EDGE_TO_EDGE_BINS = 0.9 * WINDOW_BINS
_LINE_BINS = 8
_STRAIGHT, _LEAST_SLOPE_BINS = 0.8, 4.0
_WHOLE_BAND = 0.7
_SHORT, _LONG = 0.05, 0.3
_FEW_ROWS = 4
_SEVERAL_AT_ONCE = 1.5


@dataclass(frozen=True, slots=True)
class Fact:
    """A number that stands in a text: `value` in `unit` (Hz, s, Hz/s, dB, ratio or none), the `quantile` (0
    to 1, or None) of which measure it is, and how it reads."""

    measure: str
    quantile: float | None
    value: float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a sentence, its facts, and how much it sets the cluster apart from the others."""

    text: str
    facts: tuple[Fact, ...] = ()
    apart: float = 0.0


# Which measures speak for a clause when it is asked what sets a cluster apart.
_LENGTHS = ("median_burst_rows", "longest_burst_rows", "patch_length_rows")
_WIDTHS = ("bandwidth_bins", "widest_bins", "patch_width_bins", "full_rows_ratio")
_RHYTHMS = ("burst_count", INTERVAL_SECONDS, "median_pause_rows", "period_rows")
_PLACES = (CENTRE_HZ,)
_LEVELS = ("main_level_db", "occupied_db", "peak_db", "level_90_db", "level_99_db")
_DUTIES = ("duty_ratio", "occupied_ratio")
_MOVES = ("drift_bins_a_row", "straightness_ratio", "ridge_step_bins")


def subject_of(typical: Typical) -> str:
    """What the windows that show something show, in a word or two: `Short bursts`, `A steady carrier`."""
    if is_edge_to_edge(typical):
        if _middle(typical, "duty_ratio") >= 0.98:
            return "A window filled from edge to edge all the time"
        return (
            "A stripe across the whole window" if _is_single(typical) else "Stripes across the whole window"
        )
    if _middle(typical, "full_bins_ratio") > 0:
        return "A steady carrier" if is_carrier(typical) else "A steady signal"
    if is_unbroken(typical):
        return "Activity without a pause"
    share = _middle(typical, "median_burst_rows") / WINDOW_ROWS
    if share > _LONG:
        return "A long transmission" if _is_single(typical) else "Long transmissions"
    if share < _SHORT:
        return "A short burst" if _is_single(typical) else "Short bursts"
    return "A burst" if _is_single(typical) else "Bursts"


def clauses_of(typical: Typical) -> list[Clause]:
    """What can be said of the windows that show something; what sets the cluster apart goes first."""
    makers: tuple[Callable[[Typical], Clause | None], ...] = (
        _length,
        _width,
        _rhythm,
        _place,
        _level,
        _move,
        _duty,
    )
    found = [clause for make in makers if (clause := make(typical)) is not None]
    # Stable: what sets nothing apart stays in this order.
    return sorted(found, key=lambda clause: -round(clause.apart, 1))


def is_edge_to_edge(typical: Typical) -> bool:
    """Whether most of its windows that show something are occupied across their whole width at times."""
    return (
        _middle(typical, "full_rows_ratio") > 0
        and _middle(typical, "bandwidth_bins") >= _EDGE_TO_EDGE_BINS / 2
    )


def is_unbroken(typical: Typical) -> bool:
    """Whether most of its windows that show something do so from the first row to the last."""
    return _middle(typical, "longest_burst_rows") >= WINDOW_ROWS or _middle(typical, "full_bins_ratio") > 0


def is_carrier(typical: Typical) -> bool:
    """Whether most of its windows that show something have a few bins that are occupied all the time."""
    return _middle(typical, "full_bins_ratio") > 0 and _middle(typical, "bandwidth_bins") <= _LINE_BINS


def band_place(typical: Typical) -> Clause | None:
    """Where in the band its windows are from, by segments; None where they are from all over it."""
    shares, half_hz = typical.origins.segment_shares, window_hz(typical.pixel) / 2
    count = len(shares)
    if count < 2:
        return None
    kept: list[int] = []
    for segment in sorted(range(count), key=lambda segment: -shares[segment]):
        kept.append(segment)
        if sum(shares[kept]) >= 0.9:
            break
    if len(kept) > _WHOLE_BAND * count:
        return None
    if max(kept) - min(kept) + 1 != len(kept):
        fact = Fact("segments", None, len(kept), "", str(len(kept)))
        whole = Fact("band_segments", None, count, "", str(count))
        return Clause(
            f"in {len(kept)} of the band's {count} segments", (fact, whole), _apart(typical, _PLACES)
        )
    low_hz = float(typical.middles_hz[min(kept)]) - half_hz
    high_hz = float(typical.middles_hz[max(kept)]) + half_hz
    text = frequencies(low_hz, high_hz, _decimal_step((high_hz - low_hz) / 20))
    facts = (
        Fact("band_low_hz", None, low_hz, "Hz", text),
        Fact("band_high_hz", None, high_hz, "Hz", text),
    )
    return Clause(f"in {text}", facts, _apart(typical, _PLACES))


def _length(typical: Typical) -> Clause | None:
    apart = _apart(typical, _LENGTHS)
    if is_unbroken(typical):
        seconds = window_seconds(typical.pixel)
        fact = Fact("window_seconds", None, seconds, "s", amount(seconds, "s"))
        return Clause(f"longer than the window ({fact.text})", (fact,), apart)
    low, middle, high = typical.of_shown("median_burst_rows")
    if high <= _FEW_ROWS:
        # The first and the last row of a burst may be nearly empty.
        fact = _fact(typical, "median_burst_rows", 0.9, high)
        return Clause(f"lasting at most {fact.text}", (fact,), apart)
    text, facts = _told(typical, "median_burst_rows", (max(low, 1.0), middle, high))
    return Clause(f"lasting {text}", facts, apart)


def _width(typical: Typical) -> Clause | None:
    apart = _apart(typical, _WIDTHS)
    if is_edge_to_edge(typical):
        width_hz = window_hz(typical.pixel)
        fact = Fact("window_hz", None, width_hz, "Hz", amount(width_hz, "Hz"))
        return Clause(f"wider than its {fact.text}", (fact,), apart)
    measure = _signal_width(typical)
    text, facts = _told(typical, measure, typical.of_shown(measure))
    together = typical.of_shown("bandwidth_bins")
    if together[1] < _SEVERAL_AT_ONCE * _middle(typical, measure):
        return Clause(f"{text} wide", facts, apart)
    all_text, more = _told(typical, "bandwidth_bins", together)
    return Clause(f"several at once, each {text} wide, {all_text} together", (*facts, *more), apart)


def _rhythm(typical: Typical) -> Clause | None:
    if is_unbroken(typical):
        return None
    apart = _apart(typical, _RHYTHMS)
    low, middle, high = typical.of_shown(INTERVAL_SECONDS)
    if typical.several_ratio >= 0.5 and high <= _STEADY * low:
        text = amount(middle, "s", typical.pixel.row_seconds)
        # Two bursts of one window are no rhythm.
        is_pair = typical.windows == 1 and _middle(typical, "burst_count") == 2
        said = f"{text} apart" if is_pair else f"about every {text}"
        return Clause(said, (Fact(INTERVAL_SECONDS, 0.5, middle, "s", text),), apart)
    seconds = window_seconds(typical.pixel)
    window = Fact("window_seconds", None, seconds, "s", amount(seconds, "s"))
    if _is_single(typical):
        return Clause(f"one in {window.text}", (window,), apart)
    text, facts = _told(typical, "burst_count", typical.of_shown("burst_count"))
    return Clause(f"{text} in {window.text}", (*facts, window), apart)


def _place(typical: Typical) -> Clause | None:
    if is_edge_to_edge(typical):
        return band_place(typical)
    low, middle, high = typical.of_shown(CENTRE_HZ)
    apart, bin_hz = _apart(typical, _PLACES), typical.pixel.bin_hz
    width_hz = _middle(typical, "patch_width_bins") * bin_hz
    band_hz = float(typical.middles_hz.max() - typical.middles_hz.min()) + window_hz(typical.pixel)
    if high - low >= _WHOLE_BAND * band_hz:
        return Clause("anywhere in the band", (), apart)
    if high - low <= max(width_hz, 4 * bin_hz):
        text = frequency(middle, _decimal_step(max(bin_hz, high - low, width_hz / 4)))
        return Clause(f"near {text}", (Fact(CENTRE_HZ, 0.5, middle, "Hz", text),), apart)
    text = frequencies(low, high, _decimal_step(max(bin_hz, (high - low) / 20)))
    facts = (Fact(CENTRE_HZ, 0.1, low, "Hz", text), Fact(CENTRE_HZ, 0.9, high, "Hz", text))
    return Clause(f"at {text}", facts, apart)


def _level(typical: Typical) -> Clause | None:
    text, facts = _told(typical, "main_level_db", typical.of_shown("main_level_db"))
    text += " above the floor"
    peak_db = _middle(typical, "peak_db")
    if peak_db >= _middle(typical, "main_level_db") + 3:
        peak = _fact(typical, "peak_db", 0.5, peak_db)
        # Windows end there: what is stronger looks alike.
        beyond = " or more" if peak_db >= ABOVE_FLOOR_DB - 0.5 else ""
        text, facts = f"{text} (peaks of {peak.text}{beyond})", (*facts, peak)
    return Clause(text, facts, _apart(typical, _LEVELS))


def _duty(typical: Typical) -> Clause | None:
    if is_unbroken(typical):
        return None
    text, facts = _told(typical, "duty_ratio", typical.of_shown("duty_ratio"))
    return Clause(f"on the air {text} of the time", facts, _apart(typical, _DUTIES))


def _move(typical: Typical) -> Clause | None:
    low, middle, high = typical.of_shown("drift_bins_a_row")
    moved_bins = abs(middle) * _middle(typical, "patch_length_rows")
    straight = _middle(typical, "straightness_ratio") >= _STRAIGHT
    if not straight or moved_bins < _LEAST_SLOPE_BINS or low * high <= 0:
        return None
    feature = FEATURES[column_of("drift_bins_a_row")]
    value, unit = typical.pixel.physical(feature, abs(middle))
    fact = Fact(feature.name, 0.5, value, unit, amount(value, unit))
    way = "rising" if middle > 0 else "falling"
    return Clause(f"{way} by {fact.text}", (fact,), _apart(typical, _MOVES))


def _signal_width(typical: Typical) -> str:
    """The measure of how wide one signal is: a stripe across a carrier is one patch with it."""
    crossed = is_carrier(typical) and _middle(typical, "patch_width_bins") > _LINE_BINS
    return "bandwidth_bins" if crossed else "patch_width_bins"


def _told(typical: Typical, name: str, quantiles: tuple[float, float, float]) -> tuple[str, tuple[Fact, ...]]:
    """A measure in words: its median, or, where it varies, what eight in ten windows lie between."""
    low, middle, high = quantiles
    feature = FEATURES[column_of(name)]
    varies = high - low > _VARIES_DB if feature.unit == "dB" else high > _VARIES * low
    if not varies:
        fact = _fact(typical, name, 0.5, middle)
        return fact.text, (fact,)
    facts = (_fact(typical, name, 0.1, low), _fact(typical, name, 0.9, high))
    unit = typical.pixel.physical(feature, low)[1]
    text = between(facts[0].value, facts[1].value, unit, typical.pixel.resolution(unit))
    if feature.unit == "count":
        text = text.removeprefix("between ").replace(" and ", " to ")
    return text, facts


def _fact(typical: Typical, name: str, quantile: float, value: float) -> Fact:
    feature = FEATURES[column_of(name)]
    found, unit = typical.pixel.physical(feature, value)
    return Fact(name, quantile, found, unit, typical.pixel.text(feature, value))


def _middle(typical: Typical, name: str) -> float:
    return typical.of_shown(name)[1]


def _is_single(typical: Typical) -> bool:
    return typical.of_shown("burst_count")[2] <= 1


def _apart(typical: Typical, names: Sequence[str]) -> float:
    return max(abs(typical.sets_apart(name)) for name in names)


def _decimal_step(most: float) -> float:
    return 10.0 ** math.floor(math.log10(most) + 1e-9)
