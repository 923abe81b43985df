"""What `bandwatch evaluate forecast` found, as a table for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..wording import counted


def tell_forecasts(record: dict[str, Any], figures: Path | None) -> None:
    """Print the data, a line for each model, a table by set of columns if there are several, who is best."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    data, settings = record["data"], record["settings"]
    left_out = data["origins_left_out"]
    console.print(
        f"{data['band']}: {counted(data['rows'], 'row')} of {counted(data['columns'], 'column')}, "
        f"step {data['step_seconds']:g} s; "
        f"{counted(data['origins'], 'origin')} in rows {data['test_rows'][0]}:{data['test_rows'][1]}"
        + (f", {left_out['broken']} left out for breaks" if left_out["broken"] else "")
        + (f", {left_out['no_history']} for want of a history" if left_out["no_history"] else "")
    )
    Console(width=140, highlight=False).print(_models_table(record["models"], data["unit"], settings))
    console.print(_idle(record["idle"], settings))
    if len(record["column_sets"]) > 1:
        Console(width=140, highlight=False).print(_sets_table(record["column_sets"], data["unit"]))
    for line in _verdict(record["models"]):
        console.print(line)
    if figures is not None:
        console.print(f"{figures}: figures 2 to 6 and the tables")


def _models_table(models: dict[str, Any], unit: str, settings: dict[str, Any]) -> Table:
    table = Table(caption=f"means of {settings['seeds']} seeds" if settings["seeds"] > 1 else None)
    last = settings["horizon"]
    table.add_column("")
    for title in (
        f"RMSE, {unit}",
        "±",
        "MAPE, %",
        "h=1",
        f"h={last}",
        "skill",
        "90 % cover",
        "Brier",
        "training, s",
    ):
        table.add_column(title, justify="right")
    for name, figures in models.items():
        by_horizon = figures["rmse_by_horizon"]
        table.add_row(
            name,
            _shown(figures["rmse"], ".4f"),
            _shown(figures["rmse_std"], ".4f"),
            _shown(figures["mape"], ".2f"),
            _shown(by_horizon[0], ".3f"),
            _shown(by_horizon[-1], ".3f"),
            _shown(figures["skill"], ".1%"),
            _shown(figures["coverage"], ".1%"),
            _shown(figures["brier"], ".4f"),
            _shown(figures["training_seconds"], ".1f"),
        )
    return table


def _idle(idle: dict[str, Any], settings: dict[str, Any]) -> str:
    """What the Brier scores are of, and those of the simple ways."""
    what = f"Brier: of a channel being idle, below the noise floor plus {settings['idle_margin_db']:g} dB"
    if idle["share"] is None:
        return f"{what}; neither that nor how many the intervals cover is known before 96 rows of forecasts"
    usual, last = idle["climatology"]["brier"], idle["persistence"]["brier"]
    return (
        f"{what}, which {idle['share']:.1%} were; {usual:.4f} by each channel's share of the training rows, "
        f"{last:.4f} by the last row"
    )


def _sets_table(column_sets: list[dict[str, Any]], unit: str) -> Table:
    table = Table(title=f"RMSE, {unit}, by columns")
    table.add_column("")
    for each in column_sets:
        first, end = each["columns"]
        table.add_column(f"{first}:{end}", justify="right")
    for name in column_sets[0]["models"]:
        table.add_row(name, *(_shown(each["models"][name]["rmse"], ".4f") for each in column_sets))
    return table


def _verdict(models: dict[str, Any]) -> list[str]:
    """How the default stands beside the best of the others, and beside the best baseline."""
    from ...models.forecast_models import BASELINES  # loads torch: by now the command has

    rmse = {name: figures["rmse"] for name, figures in models.items() if figures["rmse"] is not None}
    simple = min((name for name in rmse if name in BASELINES), key=lambda name: rmse[name], default=None)
    if simple is None:
        return []
    if "default" not in rmse:
        return [f"the best baseline is {simple}"]
    best = min((name for name in rmse if name != "default"), key=lambda name: rmse[name])
    return [
        f"default: RMSE {_beside(rmse['default'], rmse[simple])} the best baseline's, {simple}; "
        f"{_beside(rmse['default'], rmse[best])} the best of all others', {best}"
    ]


def _beside(one: float, other: float) -> str:
    if not other:
        return "as" if not one else "above"
    share = one / other - 1
    return f"{abs(share):.1%} {'below' if share < 0 else 'above'}"


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
