"""The third paper's tables 1, 3 and 5 in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .forecast_evaluation import ForecastEvaluation, ModelResult


def markdown_tables(evaluation: ForecastEvaluation) -> str:
    """Table 1: RMSE and MAPE of each model. 3: the same by set of columns. 5: seconds of training.

    Means over seeds with the standard deviation behind; of several sets table 1 pools all errors, and
    table 5 adds their seconds.
    """
    unit = evaluation.question.rows.table.unit
    together = evaluation.together()
    frequencies_mhz = evaluation.question.rows.table.frequencies_hz / 1e6
    titles = [
        f"{frequencies_mhz[columns.start]:.6g} to {frequencies_mhz[columns.stop - 1]:.6g} MHz"
        for columns in evaluation.question.columns
    ]
    by_set = [_cells(results, _errors) for results in evaluation.results]
    parts = [
        f"Table 1. RMSE in {unit} and MAPE.\n\n"
        + _table(["model", "RMSE", "MAPE (%)"], {n: _errors(r) for n, r in together.items()}),
        f"Table 3. By frequencies: RMSE in {unit} and MAPE.\n\n"
        + _table(
            ["model", *(f"{title}: {what}" for title in titles for what in ("RMSE", "MAPE (%)"))],
            {name: [cell for cells in by_set for cell in cells[name]] for name in together},
        ),
        "Table 5. Time of training.\n\n"
        + _table(["model", "seconds"], {n: [_seconds(r)] for n, r in together.items()}),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(
    results: Mapping[str, ModelResult], cells: Callable[[ModelResult], list[str]]
) -> dict[str, list[str]]:
    return {name: cells(result) for name, result in results.items()}


def _errors(result: ModelResult) -> list[str]:
    figures = result.record(None)
    return [
        _with_spread(figures["rmse"], figures["rmse_std"], ".4f"),
        _with_spread(figures["mape"], figures["mape_std"], ".2f"),
    ]


def _with_spread(value: float | None, spread: float | None, form: str) -> str:
    if value is None:
        return ""
    return format(value, form) if spread is None else f"{value:{form}} ± {spread:{form}}"


def _seconds(result: ModelResult) -> str:
    return f"{result.record(None)['training_seconds']:.2f}"


def _table(titles: list[str], lines: Mapping[str, list[str]]) -> str:
    head = [" | ".join(titles), "|".join(["---"] * len(titles))]
    return "\n".join(
        f"| {line} |" if number != 1 else f"|{line}|"
        for number, line in enumerate([*head, *(" | ".join([name, *cells]) for name, cells in lines.items())])
    )
