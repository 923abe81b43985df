"""A forecast study in sentences for who plans with a band: what to trust, which frequencies, which hours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..pipeline.frames import Float32, Int64
from .amounts import correlation, percent
from .chosen_inputs import chosen_sentence, first_columns
from .default_look import default_look_sentence
from .forecast_study import DEFAULT, GRAD_CAM, MEASURES, SHAP, ForecastStudy
from .frequency_ranges import listed, range_said, ranges_of
from .importance import most_important
from .when_said import attention_said, first_up, newest_said, span

MOST_NAMED = 10
AGREE, DISAGREE = 0.6, 0.3  # rank correlations
LEAST_LEAD = 0.01  # of the RMSE: less is the same


@dataclass(frozen=True, slots=True)
class ForecastWords:
    """A sentence or some for each question; the report's headings are its fields."""

    trust: str
    frequencies: str
    default: str
    hours: str
    back: str
    errors: str
    selected: Sequence[str] = ()


def forecast_words(study: ForecastStudy) -> ForecastWords:
    """All of it. Numbers are those of the study; frequencies are ranges of neighbouring columns."""
    return ForecastWords(
        trust=_trust(study),
        frequencies=_frequencies(study),
        default=f"{_default(study)} "
        + default_look_sentence(
            study.look_of_default, study.columns, study.of_default, lambda top: places(top, study)
        ),
        hours=_hours(study),
        back=_back(study),
        errors=_errors(study),
        selected=[
            chosen_sentence(study, name, places(first_columns(made), study))
            for name, made in study.selected.items()
        ],
    )


def consensus(importance: Mapping[str, Float32], most: int = MOST_NAMED) -> Int64:
    """The columns of the best mean rank over all measures, best first: of F a tenth, 3 to `most`."""
    ranks: NDArray[np.float64] = np.mean([rankdata(-each) for each in importance.values()], axis=0)
    return most_important((-ranks).astype(np.float32), min(most, max(3, len(ranks) // 10)))


def places(columns: Int64, study: ForecastStudy) -> str:
    """Columns as ranges of frequencies, the first named first: `566-570 MHz, 702 MHz`."""
    hz = study.rows.table.frequencies_hz
    return listed([range_said(first, last, hz) for first, last in ranges_of(columns)])


def _trust(study: ForecastStudy) -> str:
    unit, best = study.rows.table.unit, study.best_baseline
    rmse = {name: study.scores[name].rmse for name in (study.network, DEFAULT, best)}
    parts = [
        f"On rows that it had not learned from the {study.network} is off by {rmse[study.network]:.2f} "
        f"{unit} (RMSE), the default forecaster by {rmse[DEFAULT]:.2f}, the best of the "
        f"simple ones, {best}, by {rmse[best]:.2f}.",
        *(
            f"{first_up(_the(name))} {_compared(rmse[name], rmse[best])}."
            for name in (study.network, DEFAULT)
        ),
    ]
    if rmse[study.network] > rmse[best] * (1 + LEAST_LEAD):
        parts.append(
            f"What the {study.network} looks at is told below, but it is no advice to plan by: rather read "
            "what the default loses."
        )
    parts.append(_sanity(study))
    return " ".join(parts)


def _sanity(study: ForecastStudy) -> str:
    said = []
    for name in (SHAP, GRAD_CAM):
        value = study.after_shuffling[name]
        if not math.isfinite(value):
            said.append(f"with its weights shuffled the network gives {name} nothing to rank")
        elif value >= AGREE:
            said.append(
                f"{name} ranks frequencies much the same way when the network's weights are shuffled "
                f"({correlation(value)}): it tells of the recording rather than of what was learned"
            )
        elif value >= DISAGREE:
            said.append(
                f"{name} ranks frequencies in part the same way when the network's weights are shuffled "
                f"({correlation(value)}): read it with care"
            )
        else:
            said.append(
                f"{name} ranks them otherwise when weights are shuffled ({correlation(value)}), as it should"
            )
    return first_up("; ".join(said)) + "."


def _frequencies(study: ForecastStudy) -> str:
    if not any((each > 0).any() for each in study.importance.values()):
        return f"By no measure does the {study.network}'s forecast hang on any frequency."
    named = consensus(study.importance)
    pairs = [study.agreement[pair] for pair in itertools.combinations(MEASURES, 2)]
    known = [value for value in pairs if math.isfinite(value)]
    usual = float(np.median(known)) if known else math.nan
    count = len(study.of_default)
    cam = np.sort(study.importance[GRAD_CAM])[::-1]
    tenth = max(1, count // 10)
    share = float(cam[:tenth].sum() / cam.sum()) if cam.sum() > 0 else math.nan
    parts = [
        f"By all four measures together, the {study.network}'s forecast is driven most by "
        f"{places(named, study)}."
    ]
    if usual >= AGREE:
        parts.append(f"The measures agree (median rank correlation {correlation(usual)}).")
    elif usual >= DISAGREE:
        parts.append(f"The measures agree in part (median rank correlation {correlation(usual)}).")
    elif known:
        parts.append(
            f"The measures do not agree (median rank correlation {correlation(usual)}): rely on none alone."
        )
    if math.isfinite(share):
        even = tenth / count
        parts.append(
            f"The first tenth of the frequencies has {percent(share)} of the map's evidence "
            f"(alike, they would have {percent(even)})"
            + (": no frequency stands far out." if share < 1.5 * even else ".")
        )
    return " ".join(parts)


def _default(study: ForecastStudy) -> str:
    rise = study.of_default
    unit, rmse = study.rows.table.unit, study.scores[DEFAULT].rmse
    top = most_important(rise, min(MOST_NAMED, max(3, len(rise) // 10)))
    top = top[rise[top] > 0]
    if not len(top):
        return "The default loses nothing when any one frequency is taken from it: none alone drives it."
    greatest = float(rise[top[0]])
    own = np.zeros(len(rise), dtype=bool)
    own[study.columns] = True
    parts = [
        f"The default forecaster loses most when {places(top, study)} is taken from it: "
        f"{places(top[:1], study)} costs {greatest:.3f} {unit} of RMSE ({rmse:.3f} with all there)."
    ]
    if not own.all():
        positive = np.maximum(rise, 0)
        parts.append(
            f"{percent(float(positive[own].sum() / positive.sum()))} of all that it loses is by the "
            f"{int(own.sum())} frequencies that are forecast themselves."
        )
    together = study.agreement[MEASURES[2], f"{DEFAULT}: {MEASURES[2]}"]
    if math.isfinite(together):
        parts.append(
            f"Its order and the {study.network}'s, both by permutation, correlate by {correlation(together)}."
        )
    return " ".join(parts)


def _hours(study: ForecastStudy) -> str:
    errors = study.errors[DEFAULT]
    parts = [attention_said(study.network, study.attention)]
    if np.isfinite(errors).all():
        worst, best = int(np.argmax(errors)), int(np.argmin(errors))
        unit = study.rows.table.unit
        parts.append(
            f"The default's forecasts are least certain for {_clock(worst)} UTC ({errors[worst]:.2f} {unit}) "
            f"and best for {_clock(best)} ({errors[best]:.2f} {unit})."
        )
    return " ".join(parts)


def _back(study: ForecastStudy) -> str:
    step_s = study.rows.table.step_s
    said = [newest_said(_the(name), study.steps[name], step_s) for name in (study.network, DEFAULT)]
    return first_up("; ".join(said)) + "."


def _errors(study: ForecastStudy) -> str:
    unit, step_s = study.rows.table.unit, study.rows.table.step_s
    better = min((study.network, DEFAULT), key=lambda name: study.scores[name].rmse)
    scores = study.scores[better]
    ahead, across = scores.rmse_by_horizon, scores.rmse_by_column
    columns = np.arange(study.columns.start, study.columns.stop)
    hard = columns[most_important(across.astype(np.float32), 3)]
    last = len(ahead)
    return (
        f"The better of the two, {_the(better)}, is off by {ahead[0]:.2f} {unit} one step "
        f"({span(step_s)}) ahead and by {ahead[-1]:.2f} {unit} {last} steps ({span(last * step_s)}) ahead. "
        f"Hardest to foresee: {places(hard, study)} (up to {across.max():.2f} {unit}); easiest "
        f"{across.min():.2f} {unit}."
    )


def _compared(own: float, other: float) -> str:
    if other == 0:
        return "is no better and no worse than that" if own == 0 else "is worse: that one is never off"
    ratio = own / other - 1
    if abs(ratio) <= LEAST_LEAD:
        return "is no better and no worse than that"
    return f"is {percent(abs(ratio))} {'better' if ratio < 0 else 'worse'}"


def _the(name: str) -> str:
    return "the default" if name == DEFAULT else f"the {name}"


def _clock(hour: int) -> str:
    return f"{hour:02d}–{hour + 1:02d}"
