"""The page and the record of a forecast study: words first, then figures, then every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from typing import Any

import numpy as np

from .chosen_inputs import CHOSEN_FIGURE, chosen_record, tried_rows
from .forecast_figures import ALL_FREQUENCIES, DEFAULT_MAP, ERRORS, MAP, TIME, TOP, TOP_FREQUENCIES
from .forecast_study import DEFAULT, MEASURES, OCCLUSION, PERMUTATION, SHAP, ForecastStudy
from .forecast_words import ForecastWords, consensus
from .importance import most_important
from .report_figure import ReportFigure, plain
from .report_page import figure_html, number_table_html, page_html, words_html
from .sanity import PLANTED_FIRST, PLANTED_SEEDS, TITLES, SanityChecks, sanity_rows

_PLACES = {
    "trust": "Can it be believed",
    "frequencies": "Which frequencies",
    "hours": "Which hours",
    "errors": "How far off",
    "selected": "Chosen inputs",
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
    shown = {place: title for place, title in _PLACES.items() if study.selected or place != "selected"}
    links = "".join(f'<li><a href="#{place}">{title}</a></li>' for place, title in shown.items())
    unit = table.unit
    parts = [
        f'<p class="soft">{escape(f"{table.node}/{table.band}")}: {study.rows.count:,} rows of '
        f"{table.step_s:g} s, {table.frequencies_hz.size} frequencies.</p>",
        "<p>From the 24 rows before it, a forecast says the next 12 of "
        f"{study.columns.stop - study.columns.start} frequencies. This report says which frequencies and "
        f"hours it is made of: of the {escape(study.network)}, a network of the third paper, by gradients "
        "and without, and of the default forecaster by its own map and by what it loses when a frequency is "
        "taken from it. "
        "<strong>Importance is not quality</strong>: it says what a forecaster uses, be it good or bad.</p>",
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
        _heading("trust"),
        _said(words.trust),
        number_table_html(("forecaster", f"RMSE, {unit}", "MAPE, %", "beside repeat-last"), _scores(study)),
        "<p>And whether the measures can be believed. They should agree with permutation and occlusion, "
        "which need no gradients; rank frequencies otherwise once the network's weights lie in another order "
        "(near 0 a measure tells what was learned, near 1 which frequencies move, whatever was learned); and "
        "put a frequency first that is known to lead all others. The last was tried on "
        f"{PLANTED_SEEDS} networks trained on made rows, not on this band.</p>",
        number_table_html(TITLES, sanity_rows(sanity_checks(study))),
        _heading("frequencies"),
        _said(words.frequencies),
        _said(words.default),
        figure_html(figures[TOP_FREQUENCIES], folder),
        "<p>Rank correlations, over all frequencies: 1 is the same order, 0 none in common.</p>",
        number_table_html(("rank correlation with", *_measures()), _agreement(study)),
        figure_html(figures[ALL_FREQUENCIES], folder),
        _heading("hours"),
        _said(words.hours),
        _said(words.back),
        figure_html(figures[MAP], folder),
        figure_html(figures[DEFAULT_MAP], folder),
        figure_html(figures[TIME], folder),
        _heading("errors"),
        _said(words.errors),
        figure_html(figures[ERRORS], folder),
        *(_selected(study, words, figures, folder) if study.selected else []),
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
            "importance": {
                **study.importance,
                f"{DEFAULT}: {PERMUTATION}": study.of_default,
                f"{DEFAULT}: {SHAP}": study.look_of_default.frequencies,
            },
            "default_looks": {
                "windows": study.look_of_default.windows,
                "steps": study.look_of_default.steps,
                "older": study.look_of_default.older,
            },
            "top": {name: most_important(study.importance[name], TOP) for name in MEASURES}
            | {f"{DEFAULT}: {PERMUTATION}": most_important(study.of_default, TOP)},
            "driving": consensus(study.importance),
            "rank_correlation": {
                name: {other: study.agreement[name, other] for other in _measures()} for name in _measures()
            },
            "after_shuffling": dict(study.after_shuffling),
            "sanity": {name: asdict(checks) for name, checks in sanity_checks(study).items()},
            "hours": {
                "attention": study.attention.share,
                "steady": study.attention.steady,
                "rmse": dict(study.errors),
            },
            "steps": dict(study.steps),
            "selected": {name: chosen_record(made) for name, made in study.selected.items()},
        }
    )


def _selected(
    study: ForecastStudy, words: ForecastWords, figures: Mapping[str, ReportFigure], folder: str
) -> list[str]:
    unit = study.rows.table.unit
    return [
        _heading("selected"),
        *map(_said, words.selected),
        figure_html(figures[CHOSEN_FIGURE], folder),
        "<p>How the numbers were chosen: trained for few epochs on the first 60 and 80 % of the training "
        f"rows, each pair forecasts the fifth behind. The lowest mean RMSE ({escape(unit)}) wins, first "
        "among numbers of frequencies, then among numbers of parts dropped; no test row is seen.</p>",
        number_table_html(("frequencies, parts dropped", *study.selected), tried_rows(study)),
    ]


def sanity_checks(study: ForecastStudy) -> dict[str, SanityChecks]:
    """Of each of the network's measures, on this band but for what was planted."""
    return {
        name: SanityChecks(
            study.agreement[name, PERMUTATION],
            study.agreement[name, OCCLUSION],
            study.after_shuffling[name],
            PLANTED_FIRST[name],
        )
        for name in MEASURES
    }


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
    return {
        name: tuple(_number(study.agreement[name, other]) for other in _measures()) for name in _measures()
    }


def _number(value: float, form: str = ".2f", unit: str = "") -> str:
    return f"{value:{form}}{unit}".replace("-", "−") if np.isfinite(value) else ""


def _heading(place: str) -> str:
    return f'<h2 id="{place}">{_PLACES[place]}</h2>'


def _said(words: str) -> str:
    return f'<p class="sentence">{words_html(words)}</p>'
