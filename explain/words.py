"""A cluster in a sentence, and why a window has its label, from measured features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..models.window_features import FEATURES, Feature
from .amounts import between, percent
from .clauses import Clause, Fact, band_place, clauses_of, subject_of
from .origins import PARTS_OF_DAY, Origins
from .plain_names import plain_name
from .typical import MeasuredWindows, Typical, typical_windows

_TELLS_APART = 0.5
_MOST_APART = 2
_MOST_UNUSUAL = 3
_MOSTLY = 0.5
_FEWEST_OF_A_TIME = 20
_DB_NOISE_DIFFERS = 1.0
# What people can picture, among the measures that may set a cluster apart; of each kind only one is told.
_PICTURED = {
    "peak_db": "level",
    "mean_db": "level",
    "main_level_db": "level",
    "occupied_ratio": "occupied",
    "duty_ratio": "time",
    "full_bins_ratio": "time",
    "longest_burst_rows": "time",
    "median_burst_rows": "time",
    "median_pause_rows": "count",
    "burst_count": "count",
    "patch_count": "count",
    "bandwidth_bins": "width",
    "widest_bins": "width",
    "patch_width_bins": "width",
    "full_rows_ratio": "width",
}


@dataclass(frozen=True, slots=True)
class ClusterWords:
    """A cluster in `sentence`; `distinction` says what sets it apart from the band's other clusters (empty
    where nothing does). Every number in either is one of the `facts`."""

    cluster: int
    sentence: str
    distinction: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class WindowWords:
    """Why a window has its label, in sentences: what of it was `seen`, its `because` in the trees (empty
    without one), how `usual` it is. Every number but the trees' is one of the `facts`."""

    cluster: int
    seen: str
    because: str
    usual: str
    facts: tuple[Fact, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.seen, self.because, self.usual) if part)


def cluster_words(typical: Typical) -> ClusterWords:
    """One readable sentence about a cluster, from what its windows measured."""
    text, facts = _described(typical)
    parts, more = [text], list(facts)
    for clause in (_share(typical), _empty(typical), _time_of_day(typical.origins)):
        if clause is not None:
            parts.append(clause.text)
            more += clause.facts
    distinction = _distinction(typical)
    return ClusterWords(
        typical.cluster, "; ".join(parts) + ".", distinction.text, (*more, *distinction.facts)
    )


def window_words(
    window: MeasuredWindows, typical: Typical, *, novelty: float | None = None, paths: Sequence[str] = ()
) -> WindowWords:
    """Why the one window of `window` is of the cluster that `typical` describes.

    `novelty` is the band model's, 0 to 1; `paths` are the window's ways through trees, each in words
    (`occupied bandwidth at most 40 kHz`). Raises ValueError unless `window` holds one.
    """
    if len(window.features) != 1:
        raise ValueError(f"{len(window.features)} windows, needs 1")
    seen, facts = _described(next(iter(typical_windows(window).values())))
    because = " ".join(f"It is cluster {typical.cluster} because {path}." for path in paths)
    usual, more = _how_usual(window, typical)
    strange = _novelty(novelty)
    facts = (*facts, *more, *strange.facts, Fact("cluster", None, typical.cluster, "", str(typical.cluster)))
    return WindowWords(
        typical.cluster,
        f"Seen: {_lower(seen)}.",
        because,
        " ".join(filter(None, (usual, strange.text))),
        facts,
    )


def _described(typical: Typical) -> tuple[str, tuple[Fact, ...]]:
    if typical.shown_ratio < 0.5:
        return _quiet(typical)
    clauses = clauses_of(typical)
    facts = tuple(fact for clause in clauses for fact in clause.facts)
    text = ", ".join(clause.text for clause in clauses)
    return f"{subject_of(typical)}{' ' if text.startswith('lasting') else ', '}{text}", facts


def _quiet(typical: Typical) -> tuple[str, tuple[Fact, ...]]:
    text, facts = "Quiet: nothing stands out of the noise", []
    if typical.shown_ratio > 0:
        empty = 1 - typical.shown_ratio
        fact = Fact("empty_ratio", None, empty, "ratio", percent(empty))
        text, facts = f"{text} in {fact.text} of its windows", [fact]
    noise_db = typical.median("mean_db")
    if typical.shown_ratio == 0 and abs(noise_db) >= _DB_NOISE_DIFFERS:
        fact = Fact("mean_db", 0.5, noise_db, "dB", f"{abs(noise_db):.0f} dB")
        text = f"{text}, which is {fact.text} {'above' if noise_db > 0 else 'below'} the band's floor"
        facts.append(fact)
    place = band_place(typical) if typical.windows > 1 else None
    if place is not None:
        text, facts = f"{text}, {place.text}", [*facts, *place.facts]
    return text, tuple(facts)


def _empty(typical: Typical) -> Clause | None:
    empty = 1 - typical.shown_ratio
    if typical.shown_ratio < 0.5 or empty < 0.05:
        return None
    fact = Fact("empty_ratio", None, empty, "ratio", percent(empty))
    return Clause(f"{fact.text} of its windows show nothing", (fact,))


def _share(typical: Typical) -> Clause:
    share = typical.origins.share
    fact = Fact("share", None, share, "ratio", percent(share))
    return Clause(f"{fact.text} of the band's windows", (fact,))


def _time_of_day(origins: Origins) -> Clause | None:
    """`seen mostly in the afternoon`: where all of the day was heard, and its part is not just heard more."""
    heard = [int(origins.all_hours[first:end].sum()) for first, end, _ in PARTS_OF_DAY]
    own = [int(origins.hours[first:end].sum()) for first, end, _ in PARTS_OF_DAY]
    if min(heard) < _FEWEST_OF_A_TIME:
        return None
    rates = [mine / whole for mine, whole in zip(own, heard, strict=True)]
    best = max(range(len(rates)), key=rates.__getitem__)
    if own[best] < _FEWEST_OF_A_TIME or rates[best] <= _MOSTLY * sum(rates):
        return None
    return Clause(f"seen mostly {PARTS_OF_DAY[best][2]} (UTC)")


def _distinction(typical: Typical) -> Clause:
    """What sets it apart: the largest standardised differences of medians."""
    order = sorted(
        (feature for feature in FEATURES if feature.name in _PICTURED),
        key=lambda feature: -abs(typical.sets_apart(feature.name)),
    )
    told: list[str] = []
    facts: list[Fact] = []
    kinds: set[str] = set()
    for feature in order:
        if abs(typical.sets_apart(feature.name)) < _TELLS_APART or len(told) == _MOST_APART:
            break
        own = _as_fact(typical, feature, 0.5, typical.median(feature.name))
        others = _as_fact(typical, feature, None, typical.median_of_others(feature.name))
        if own.text == others.text or _PICTURED[feature.name] in kinds:
            continue
        kinds.add(_PICTURED[feature.name])
        told.append(f"{plain_name(feature)} {own.text}, elsewhere {others.text}")
        facts += (own, others)
    return Clause(f"What sets it apart: {'; '.join(told)}." if told else "", tuple(facts))


def _how_usual(window: MeasuredWindows, typical: Typical) -> tuple[str, tuple[Fact, ...]]:
    """Which measures lie outside of what nine in ten of the cluster's windows show, most first."""
    beyond: list[tuple[float, Feature, float]] = []
    for column, feature in enumerate(FEATURES):
        value = float(window.features[0, column])
        low, high = typical.usual(feature.name)
        outside = max(low - value, value - high)
        # Single precision: a value may differ from itself in a quantile by rounding.
        if outside > 1e-5 * max(1.0, abs(low), abs(high)):
            beyond.append((outside / (high - low) if high > low else math.inf, feature, value))
    whole = Fact("measures", None, len(FEATURES), "", str(len(FEATURES)))
    if not beyond:
        return f"All its {whole.text} measures are usual in cluster {typical.cluster}.", (whole,)
    count = Fact("unusual_measures", None, len(beyond), "", str(len(beyond)))
    told: list[str] = []
    facts = [count, whole]
    for _, feature, value in sorted(beyond, key=lambda each: (each[1].name not in _PICTURED, -each[0])):
        low, high = typical.usual(feature.name)
        least, most = _as_fact(typical, feature, 0.05, low), _as_fact(typical, feature, 0.95, high)
        own = _as_fact(typical, feature, None, value)
        if own.text in (least.text, most.text) or len(told) == _MOST_UNUSUAL:
            continue
        usually = between(least.value, most.value, least.unit, typical.pixel.resolution(least.unit))
        told.append(f"{plain_name(feature)} {own.text} (usually {usually})")
        facts += (own, least, most)
    lie = "lies" if len(beyond) == 1 else "lie"
    text = (
        f"{count.text} of its {whole.text} measures {lie} outside of what nine in ten windows of cluster "
        f"{typical.cluster} show"
    )
    return f"{text}: {'; '.join(told)}." if told else f"{text}, if only just.", tuple(facts)


def _novelty(novelty: float | None) -> Clause:
    if novelty is None or not math.isfinite(novelty):
        return Clause("")
    share = 1 - novelty
    fact = Fact("as_far_ratio", None, share, "ratio", percent(share))
    if share >= 0.2:
        return Clause(
            f"As a whole it is usual: {fact.text} of usual windows are as far from typical.", (fact,)
        )
    if share >= 0.05:
        return Clause(
            f"As a whole it is less usual: {fact.text} of usual windows are as far from typical.", (fact,)
        )
    return Clause(
        f"As a whole it is unusual: only {fact.text} of usual windows are as far from typical.", (fact,)
    )


def _as_fact(typical: Typical, feature: Feature, quantile: float | None, value: float) -> Fact:
    found, unit = typical.pixel.physical(feature, value)
    return Fact(feature.name, quantile, found, unit, typical.pixel.text(feature, value))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
