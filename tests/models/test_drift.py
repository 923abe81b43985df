"""Drift: what novelties of the last hours say of a band's model, against distributions that are known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from bandwatch.models.drift import Drift, DriftWatch, least_strange_share
from bandwatch.pipeline.frames import Assignment
from bandwatch.tests.jig import SECOND, assert_lasts, same
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
FIRST_NS = 1_800_000_000 * SECOND - 1_800_000_000 * SECOND % (5 * MINUTE)
SPAN_NS = 25 * SECOND


def window(start_ns: int, novelty: float | None, span_ns: int = SPAN_NS) -> Assignment:
    known = novelty is not None
    return Assignment(
        "node",
        "band",
        0,
        start_ns,
        start_ns + span_ns,
        3 if known else None,
        1.0 if known else None,
        novelty,
        "model",
    )


def uniform(
    random: np.random.Generator, moments: int, *, segments: int = 8, block: int = 10, shared: float = 0.4
) -> np.ndarray:
    """Uniform novelties [moments, segments] that depend on each other: a moment's, and those of a block of
    moments, which follows the block before; `shared` is how much of a window's variance is its block's."""
    blocks = np.empty(-(-moments // block))
    last = random.normal()
    for number in range(len(blocks)):
        last = 0.5 * last + math.sqrt(0.75) * random.normal()
        blocks[number] = last
    own = random.normal(size=(moments, segments)) * math.sqrt(1 - shared - 0.2)
    moment = random.normal(size=(moments, 1)) * math.sqrt(0.2)
    return ndtr(blocks.repeat(block)[:moments, None] * math.sqrt(shared) + moment + own)


def ratios(novelties: np.ndarray, step_ns: int = 30 * SECOND, watch: DriftWatch | None = None) -> list[float]:
    """What is said over time of novelties [moments, segments]."""
    watch = watch or DriftWatch("node", "band")
    return [
        drift.ratio
        for number, moment in enumerate(novelties)
        for novelty in moment.tolist()
        for drift in watch.push(window(FIRST_NS + number * step_ns, novelty))
    ]


def shifted(novelties: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """A share of the windows is stranger than nearly all of those before."""
    strange = random.random(novelties.shape) < share
    return np.where(strange, random.uniform(0.96, 1.0, novelties.shape), novelties)


def of_hours(hours: float) -> int:
    return round(hours * 120)


def test_an_unchanged_band_shows_next_to_none_and_hardly_ever_an_alarm() -> None:
    """Neighbouring blocks correlate by a half, and a block's share of strange windows varies by 0.2."""
    random = np.random.default_rng(0)
    days = [ratios(uniform(random, of_hours(24), segments=2))[12:] for _ in range(40)]
    assert np.quantile(days, 0.95) < 0.05
    assert np.quantile(np.max(days, axis=1), 0.95) < 0.25
    assert np.max(days) > 0, "trials that cannot fail prove nothing"


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_a_share_of_strange_windows_is_found_and_not_exceeded(share: float) -> None:
    random = np.random.default_rng(1)
    last = [ratios(shifted(uniform(random, of_hours(7)), share, random))[-1] for _ in range(20)]
    assert np.quantile(last, 0.05) > 0.6 * share - 0.03
    assert np.quantile(last, 0.95) <= share + 0.03


def test_a_change_shows_within_the_hour_and_goes_as_fast_when_it_is_over() -> None:
    random = np.random.default_rng(2)
    usual = uniform(random, of_hours(24))
    usual[of_hours(6) : of_hours(12)] = 1.0
    found = ratios(usual)
    at = lambda hours: found[round(hours * 12)]  # noqa: E731
    assert at(6) < 0.1
    assert at(6.5) > 0.25
    assert at(7.1) > 0.75
    assert at(11) == pytest.approx(1, abs=0.2)
    assert at(15) > 0.25, "half of the last six hours was strange"
    assert at(18.1) < 0.1


def test_less_novelty_than_usual_is_no_drift() -> None:
    random = np.random.default_rng(3)
    assert np.nanmax(ratios(uniform(random, of_hours(8)) * 0.5)) == 0


def test_nothing_is_said_before_an_hour_was_heard_and_then_every_five_minutes() -> None:
    watch = DriftWatch("node", "band")
    found = [
        drift for number in range(300) for drift in watch.push(window(FIRST_NS + number * 30 * SECOND, 0.5))
    ]
    assert [math.isnan(drift.ratio) for drift in found] == [True] * 12 + [False] * (300 // 10 - 12)
    assert np.diff([drift.time_ns for drift in found]).tolist() == [5 * MINUTE] * 29
    assert watch.push(window(FIRST_NS + 10 * HOUR, None)) == []


def test_windows_cut_more_rarely_count_for_as_long_as_they_cover() -> None:
    """Half of the hours at a quarter of the windows: without weights they would be a fifth of all."""
    random = np.random.default_rng(4)
    usual, strange = uniform(random, of_hours(6)), uniform(random, of_hours(6))
    strange[:] = 1.0
    halves = [usual[: of_hours(3)], strange[: of_hours(3)]]

    def lived(strides: tuple[int, int]) -> float:
        watch, said = DriftWatch("node", "band"), [math.nan]
        for half, stride in enumerate(strides):
            for number in range(0, of_hours(3), stride):
                for novelty in halves[half][number].tolist():
                    start_ns = FIRST_NS + half * 3 * HOUR + number * 30 * SECOND
                    span_ns = 120 * SECOND
                    said += [drift.ratio for drift in watch.push(window(start_ns, novelty, span_ns))]
        return said[-1]

    assert lived((1, 4)) == pytest.approx(lived((1, 1)), abs=0.02)
    counts = np.zeros((12, 5))
    counts[:6, 0], counts[6:, 4] = 100, 10
    seconds = np.where(np.arange(12) < 6, 300.0, 100.0)
    alone = least_strange_share(counts, seconds)
    assert alone == pytest.approx(least_strange_share(counts * 7, seconds * 3))
    assert alone < 0.25, "a quarter of the time was strange, half of the blocks, a tenth of the windows"


def test_rows_of_minutes_make_longer_blocks() -> None:
    span_ns = 128 * MINUTE
    watch = DriftWatch("node", "band")
    found = [
        drift
        for number in range(200)
        for drift in watch.push(window(FIRST_NS + number * 16 * MINUTE, 1.0, span_ns))
    ]
    assert [drift.ratio for drift in found if not math.isnan(drift.ratio)][0] == 1.0  # noqa: RUF015
    assert len(found) == pytest.approx(200 * 16 / 130, abs=1)


def test_six_hours_are_remembered_and_a_clock_set_back_forgets() -> None:
    watch = DriftWatch("node", "band")
    for number in range(of_hours(2)):
        watch.push(window(FIRST_NS + number * 30 * SECOND, 1.0))
    assert watch.standing.ratio == 1.0
    (later,) = watch.push(window(FIRST_NS + 9 * HOUR, 0.5))
    assert math.isnan(later.ratio)
    assert watch.push(window(FIRST_NS + 9 * HOUR - 2 * SECOND, 0.5)) == [], "a clock that is set right"
    (earlier,) = watch.push(window(FIRST_NS, 0.5))
    assert math.isnan(earlier.ratio)


def test_an_alarm_begins_at_a_quarter_and_ends_below_15_percent() -> None:
    crossed: list[tuple[bool, float]] = []
    watch = DriftWatch("node", "band")
    shares = [0.0] * 12 + [0.22] * 12 + [0.4] * 12 + [0.22] * 90 + [0.0] * 90
    for number, share in enumerate(shares):
        for each in range(100):
            novelty = 0.99 if each < 100 * share else (each / 100 - share) / (1 - share) * 0.999
            drifts = watch.push(window(FIRST_NS + 5 * number * MINUTE + each * SECOND, novelty))
            crossed += [(drift.drifting, drift.ratio) for drift in drifts if drift.crossed]
    assert [drifting for drifting, _ in crossed] == [True, False]
    assert crossed[0][1] >= 0.25
    assert crossed[1][1] < 0.15


def windows(count: int, step_ns: int) -> Iterator[Assignment]:
    random = np.random.default_rng(5)
    for number in range(count):
        start_ns = FIRST_NS + number * step_ns - (9 * HOUR if number > 0.9 * count else 0)
        novelty = (
            None if number % 7 == 0 else float(np.float32(random.random() ** (1 if number < 200 else 0.1)))
        )
        yield window(start_ns, novelty)


class Watching:
    """The watch as a stage, which has no gaps of its own."""

    def __init__(self) -> None:
        self._watch = DriftWatch("node", "band")

    def push(self, item: Assignment) -> list[Drift]:
        return self._watch.push(item)

    def state(self) -> dict[str, Any]:
        return self._watch.state()

    def restore(self, state: dict[str, Any]) -> None:
        self._watch.restore(state)


def heard(items: Iterable[Assignment]) -> DriftWatch:
    watch = DriftWatch("node", "band")
    for item in items:
        watch.push(item)
    return watch


def test_it_goes_on_after_a_restart_to_the_bit_in_a_few_kilobytes() -> None:
    items = list(windows(400, 70 * SECOND))
    assert_lasts(Watching, items, moments=[0, 1, 2, 77, 250, 361, 362, 400])
    state = heard(windows(3000, 9 * SECOND)).state()
    assert sum(each.nbytes for each in state.values() if isinstance(each, np.ndarray)) < 5_000
    again = DriftWatch("node", "band")
    again.restore(state)
    assert same(again.standing, heard(windows(3000, 9 * SECOND)).standing)


def test_what_is_wrong_with_a_state_is_refused() -> None:
    def new() -> DriftWatch:
        return DriftWatch("node", "band")

    state = heard(windows(100, 70 * SECOND)).state()
    where = "state of drift of node/band: "
    assert_refuses_spoiled(new, state)
    backwards = state | {"numbers": state["numbers"][::-1].copy()}
    length = len(state["numbers"])
    assert_refuses(new, backwards, where + f"numbers is ndarray of {length}, needs at most 72, ascending")
    assert_refuses(new, state | {"ratio": 1.5}, where + "ratio is 1.5, needs 0 to 1, or NaN")
    negative = state | {"counts": -state["counts"]}
    needs = "needs a window or more in each block, and time of 0 or more"
    assert_refuses(new, negative, where + f"counts is ndarray of {length}, {needs}")
    short = state | {"counts": state["counts"][:-1]}
    assert_refuses(new, short, where + f"counts is int64 [{length - 1}, 5], needs int64 [{length}, 5]")
