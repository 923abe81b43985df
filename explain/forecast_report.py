"""The page and the record of a forecast study: words first, then figures, then every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from .forecast_figures import ALL_FREQUENCIES, ERRORS, MAP, TIME, TOP, TOP_FREQUENCIES
from .forecast_study import DEFAULT, GRAD_CAM, MEASURES, PERMUTATION, SHAP, ForecastStudy
from .forecast_words import ForecastWords, consensus
from .importance import most_important
from .report_figure import ReportFigure, plain
from .report_page import figure_html, number_table_html, page_html, words_html

_PLACES = {
    "trust": "Can it be believed",
    "frequencies": "Which frequencies",
    "hours": "Which hours",
    "errors": "How far off",
    "made": "How this was made",
}


def forecast_report_html(
    study: ForecastStudy,
    words: ForecastWords,
    figures: Mapping[str, ReportFigure],
    folder: str,
    facts: Mapping[str, str],
) -> str:
    """The page; `folder` is where the figures lie beside it."""
    table = study.rows.table
    links = "".join(f'<li><a href="#{place}">{title}</a></li>' for place, title in _PLACES.items())
    unit = table.unit
    parts = [
        f'<p class="soft">{escape(f"{table.node}/{table.band}")}: {study.rows.count:,} rows of '
        f"{table.step_s:g} s, {table.frequencies_hz.size} frequencies.</p>",
        "<p>From the 24 rows before it, a forecast says the next 12 of "
        f"{study.columns.stop - study.columns.start} frequencies. This report says which frequencies and "
        f"hours it is made of: of the {escape(study.network)}, a network of the third paper, by gradients "
        "and without, and of the default forecaster by what it loses when a frequency is taken from it. "
        "<strong>Importance is not quality</strong>: it says what a forecaster uses, be it good or bad.</p>",
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
        _heading("trust"),
        _said(words.trust),
        number_table_html(("forecaster", f"RMSE, {unit}", "MAPE, %", "beside repeat-last"), _scores(study)),
        _heading("frequencies"),
        _said(words.frequencies),
        _said(words.default),
        figure_html(figures[TOP_FREQUENCIES], folder),
        "<p>Rank correlations, over all frequencies: 1 is the same order, 0 none in common. The last row is "
        "a measure beside itself of the same network with its weights shuffled: near 0 it explains "
        "what was learned.</p>",
        number_table_html(("rank correlation with", *_measures()), _agreement(study)),
        figure_html(figures[ALL_FREQUENCIES], folder),
        _heading("hours"),
        _said(words.hours),
        _said(words.back),
        figure_html(figures[MAP], folder),
        figure_html(figures[TIME], folder),
        _heading("errors"),
        _said(words.errors),
        figure_html(figures[ERRORS], folder),
    ]
    return page_html("What the forecast looks at", parts, facts)


def forecast_record(study: ForecastStudy, words: ForecastWords) -> dict[str, Any]:
    """What the page says, for programs; None for what is not defined."""
    table, columns = study.rows.table, study.columns
    return plain(
        {
            "node": table.node,
            "band": table.band,
            "unit": table.unit,
            "step_seconds": table.step_s,
            "network": study.network,
            "train_rows": [study.question.train.start, study.question.train.stop],
            "test_rows": [study.question.test.start, study.question.test.stop],
            "out_columns": [columns.start, columns.stop],
            "origins": len(study.question.origins),
            "windows": study.windows,
            "mapped_windows": study.mapped,
            "words": asdict(words),
            "models": {name: scores.record() for name, scores in study.scores.items()},
            "frequencies_hz": table.frequencies_hz,
            "importance": {**study.importance, f"{DEFAULT}: {PERMUTATION}": study.of_default},
            "top": {name: most_important(study.importance[name], TOP) for name in MEASURES}
            | {f"{DEFAULT}: {PERMUTATION}": most_important(study.of_default, TOP)},
            "driving": consensus(study.importance),
            "rank_correlation": {
                name: {other: study.agreement[name, other] for other in _measures()} for name in _measures()
            },
            "after_shuffling": dict(study.after_shuffling),
            "hours": {
                "attention": study.attention.share,
                "steady": study.attention.steady,
                "rmse": dict(study.errors),
            },
            "steps": dict(study.steps),
        }
    )


def _measures() -> tuple[str, ...]:
    return (*MEASURES, f"{DEFAULT}: {PERMUTATION}")


def _scores(study: ForecastStudy) -> dict[str, tuple[str, ...]]:
    reference = study.scores["repeat-last"].rmse
    order = sorted(study.scores, key=lambda name: study.scores[name].rmse)
    return {
        name: (
            f"{study.scores[name].rmse:.3f}",
            _number(study.scores[name].mape),
            _number(100 * (study.scores[name].rmse / reference - 1), "+.1f", " %") if reference else "",
        )
        for name in order
    }


def _agreement(study: ForecastStudy) -> dict[str, tuple[str, ...]]:
    rows = {
        name: tuple(_number(study.agreement[name, other]) for other in _measures()) for name in _measures()
    }
    shuffled = tuple(
        _number(study.after_shuffling[name]) if name in (GRAD_CAM, SHAP) else "" for name in _measures()
    )
    return rows | {"itself, weights shuffled": shuffled}


def _number(value: float, form: str = ".2f", unit: str = "") -> str:
    return f"{value:{form}}{unit}".replace("-", "−") if np.isfinite(value) else ""


def _heading(place: str) -> str:
    return f'<h2 id="{place}">{_PLACES[place]}</h2>'


def _said(words: str) -> str:
    return f'<p class="sentence">{words_html(words)}</p>'
