"""What commands about forecasts share: rows and columns as A:B, names of forecasters, progress."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...pipeline.errors import BadInput
from ...pipeline.recording import Recording

if TYPE_CHECKING:
    from ...models.forecast_problem import Trainer
    from ...models.forecast_question import ForecastQuestion

Part = tuple[int, int | None]


def part_of(option: str, text: str) -> Part:
    """A:B, half-open; what is left out is the first or the end."""
    first, colon, end = text.partition(":")
    numbers = [each.strip() for each in (first, end)]
    if not colon or not all(each == "" or (each.isascii() and each.isdigit()) for each in numbers):
        raise BadInput(f"{option} {text}: limit: two whole numbers A:B, the second not included")
    start, stop = int(numbers[0] or 0), int(numbers[1]) if numbers[1] else None
    if stop is not None and stop <= start:
        raise BadInput(f"{option} {text}: holds nothing; limit: A:B with A below B")
    return start, stop


def slice_of(option: str, part: Part, count: int) -> slice:
    start, stop = part[0], count if part[1] is None else part[1]
    if start >= count:
        raise BadInput(f"{option} {start}:{'' if part[1] is None else stop}: the data has {count}, from 0 on")
    return slice(start, stop)


def chosen_models(names: str) -> dict[str, Trainer]:
    """The baselines and what was asked for, in the order of the register."""
    from ...explain.forecast_trainers import EVERY_TRAINER
    from ...models.forecast_models import BASELINES

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise BadInput(f"--models: names none; limit: all, or some of {', '.join(EVERY_TRAINER)}")
    for name in wanted:
        if name != "all" and name not in EVERY_TRAINER:
            near = difflib.get_close_matches(name, EVERY_TRAINER, 1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise BadInput(f"--models {name}: is not one{hint}; limit: all, {', '.join(EVERY_TRAINER)}")
    return {
        name: trainer
        for name, trainer in EVERY_TRAINER.items()
        if "all" in wanted or name in wanted or name in BASELINES
    }


def check_question(question: ForecastQuestion, chosen: Iterable[str]) -> None:
    """BadInput, before anything is trained, where the rows do not do for all that were chosen."""
    from ...explain.forecast_trainers import FIRST_SHARE

    question.check()
    question.check_windows()
    for name in chosen:
        if name in FIRST_SHARE:
            question.check_windows(name, FIRST_SHARE[name])


def tell_problems(recording: Recording, question: ForecastQuestion) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    for problem in recording.problems:
        console.print(f"problem: {recording.path}: {problem}")
    if recording.bins > question.rows.table.frequencies_hz.size:
        console.print(
            f"{recording.bins} columns were averaged to {question.rows.table.frequencies_hz.size}; "
            "--out-columns counts these"
        )
    if recording.iq is not None and recording.iq.facts.channels > 1:
        console.print(f"channel 0 of {recording.iq.facts.channels}")


@contextmanager
def progress_bars() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
