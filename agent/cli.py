"""The command line: commands and their arguments, one line for an error, the exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from .. import __version__
from ..config.loader import ConfigError
from ..pipeline.errors import BadInput
from .commands.capture import capture_command
from .commands.check import check_command
from .commands.convert import convert_command
from .commands.devices import devices_command
from .commands.evaluate_clusters import evaluate_clusters_command
from .commands.evaluate_forecast import evaluate_forecast_command
from .commands.events import events_command
from .commands.explain_clusters import explain_clusters_command
from .commands.explain_forecast import explain_forecast_command
from .commands.inspect import inspect_command
from .commands.mute import mute_command
from .commands.name import name_command
from .commands.replay import replay_command
from .commands.run import run_command
from .commands.simulate import simulate_command
from .commands.train_clusters import train_clusters_command
from .commands.train_forecast import train_forecast_command
from .failure import Failure

FAILURE = 1
BAD_INPUT = 2
INTERRUPTED = 130

app = typer.Typer(
    name="bandwatch",
    help="Labels, forecasts and reasons for what a radio hears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(no_args_is_help=True, help="Learn: an encoder, or a band's forecaster.")
app.command("run")(run_command)
app.command("replay")(replay_command)
app.command("capture")(capture_command)
app.command("simulate")(simulate_command)
app.command("inspect")(inspect_command)
app.command("convert")(convert_command)
app.command("check")(check_command)
app.command("devices")(devices_command)
app.command("events")(events_command)
app.command("name")(name_command)
app.command("mute")(mute_command)
train.command("clusters")(train_clusters_command)
train.command("forecast")(train_forecast_command)
app.add_typer(train, name="train")
evaluate = typer.Typer(no_args_is_help=True, help="How good what was learnt is, beside simpler means.")
evaluate.command("clusters")(evaluate_clusters_command)
evaluate.command("forecast")(evaluate_forecast_command)
app.add_typer(evaluate, name="evaluate")
explain = typer.Typer(no_args_is_help=True, help="Why: what was learnt, as a report to read.")
explain.command("clusters")(explain_clusters_command)
explain.command("forecast")(explain_forecast_command)
app.add_typer(explain, name="explain")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bandwatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Bad input is one line and exit code 2, a failure one line and 1, a bug a traceback."""
    try:
        app(arguments)
    except (BadInput, ConfigError, Failure) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"[bold red]error:[/] {escape(str(error))}"
        )
        sys.exit(FAILURE if isinstance(error, Failure) else BAD_INPUT)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
