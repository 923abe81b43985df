"""Which candidate is given out: by a lead, on recent truth, back to the baseline where that is better."""

from __future__ import annotations

import math
from itertools import count

import numpy as np
import pytest

from bandwatch.models.error_record import Proof
from bandwatch.models.standings import LEAD, ForecasterChange, Standings
from bandwatch.models.stated import Stated
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.stage import drive
from bandwatch.tests.jig import same
from bandwatch.tests.models.test_contest import a_contest, mean_rule, noise
from bandwatch.tests.steps_made import as_steps

NAMES = ("one", "other")
CLOCK = count(1)


def standings(recent: int = 40, enough: int = 10) -> Standings:
    return Standings("baseline", NAMES, recent=recent, enough=enough)


def scored(standings: Standings, steps: int, **own: float) -> None:
    """So many steps of twelve forecasts, the baseline's error being 1 at each."""
    for _ in range(steps):
        proofs = {name: Proof(12 * square, 12.0, 12) for name, square in own.items()}
        standings.prove(next(CLOCK), proofs)


def test_another_takes_over_by_a_lead_only_and_the_first_stays_otherwise() -> None:
    two = standings()
    assert two.choose(["baseline"]) is None
    scored(two, 40, one=0.5, other=0.5 * (1 - LEAD) + 0.01)
    assert two.choose([*NAMES, "baseline"]) == "baseline"
    assert two.given == "other"
    scored(two, 40, one=0.5 * (1 - LEAD) + 0.01, other=0.5)
    assert two.choose([*NAMES, "baseline"]) is None, "not enough of a lead"
    scored(two, 40, one=0.5 * (1 - LEAD) - 0.01, other=0.5)
    assert two.choose([*NAMES, "baseline"]) == "other"
    assert two.given == "one"


def test_two_that_are_about_as_good_do_not_take_turns() -> None:
    random, two, changes = np.random.default_rng(0), standings(recent=288), 0
    for _ in range(3000):
        one, other = random.gamma(2, 0.25, 2)
        scored(two, 1, one=one, other=other)
        changes += two.choose([*NAMES, "baseline"]) is not None
    assert changes <= 20


def test_what_is_worse_than_the_baseline_lately_gives_way_to_it() -> None:
    one = standings()
    scored(one, 40, one=0.5)
    one.choose(["baseline", "one"])
    assert one.given == "one"
    scored(one, 40, one=1.04)
    assert one.choose(["baseline", "one"]) is None
    scored(one, 40, one=1.06)
    assert one.choose(["baseline", "one"]) == "one"
    assert one.given == "baseline"
    rmse_db, was_rmse_db, steps = one.rmse_db("baseline", "one")
    assert (rmse_db, was_rmse_db, steps) == (1.0, pytest.approx(math.sqrt(1.06)), 40)


def test_one_with_a_short_record_is_compared_over_that_alone() -> None:
    """Easy times, in which both did well, are in the longer record only."""
    two = standings()
    scored(two, 30, one=0.2)
    scored(two, 10, one=0.8, other=0.7)
    two.choose(["baseline", "one"])
    assert two.choose([*NAMES, "baseline"]) == "one"
    assert two.given == "other"


def test_one_that_no_longer_forecasts_gives_way_at_once() -> None:
    two = standings()
    scored(two, 40, one=0.5, other=0.6)
    two.choose([*NAMES, "baseline"])
    assert two.choose(["baseline", "other"]) == "one"
    assert two.given == "other"


def test_errors_are_compared_over_the_steps_that_both_have() -> None:
    two = standings()
    scored(two, 30, one=9.0)
    scored(two, 10, one=4.0, other=1.0)
    assert two.rmse_db("one", "other") == (2.0, 1.0, 10)
    assert two.rmse_db("one", "baseline") == (pytest.approx(math.sqrt(31 / 4)), 1.0, 40)


def test_errors_of_a_fit_that_was_tried_in_louder_times_do_not_contradict_the_choice() -> None:
    two = standings()
    scored(two, 40, one=0.5)
    two.choose(["baseline", "one"])
    louder = np.tile([12 * 1.2, 12 * 4.0, 12], (40, 1))  # 0.3 of a larger baseline's
    two.begin("other", louder, next(CLOCK), 1000)
    assert two.choose([*NAMES, "baseline"]) == "one"
    assert two.rmse_db("other", "one") == (
        pytest.approx(math.sqrt(1.2)),
        pytest.approx(math.sqrt(0.5 * 4.0)),
        40,
    )


def test_another_model_of_the_name_begins_with_its_own_record() -> None:
    two = standings()
    scored(two, 40, one=0.5)
    two.begin("one", np.tile([2.0, 1.0, 1.0], (20, 1)), next(CLOCK), 1000)
    assert not two.scores("one", 999)
    assert two.scores("one", 1000)
    assert two.scores("other", 999)
    assert not two.scores("baseline", 2000)
    two.choose(["baseline", "one"])
    assert two.given == "baseline", "the record says that it is worse"
    scored(two, 40, one=0.5)
    two.choose(["baseline", "one"])
    assert two.given == "one"
    two.begin("one", np.zeros((0, 3)), next(CLOCK), 1000)
    two.choose(["baseline", "one"])
    assert two.given == "baseline", "it has yet to prove anything"
    again = standings()
    again.restore(Stated("standings", two.state()), [])
    assert same(again.state(), two.state())
    again.restore(Stated("standings", two.state()), ["one"])
    assert len(again.state()["records"]["one"]) == 0


def test_a_change_says_both_errors_over_the_same_steps() -> None:
    values, histories = noise(70), Histories()
    items = [item for step in as_steps(values) for item in (step, *histories.push(step))]
    outputs = drive(a_contest(mean_rule()), items)
    (change,) = [output for output in outputs if isinstance(output, ForecasterChange)]
    assert (change.model, change.was, change.steps) == ("mean", "repeat-last", 24)
    made = 24 + np.arange(24)  # steps heard before each forecast
    errors = [
        (values[row - 24 : row].mean(axis=0) - values[row + k], values[row - 1] - values[row + k])
        for row in made
        for k in range(min(12, 48 - row))
    ]
    mean, repeated = np.sqrt(np.square(errors).mean(axis=(0, 2)))
    assert change.rmse_db == pytest.approx(mean, rel=1e-5)
    assert change.was_rmse_db == pytest.approx(repeated, rel=1e-5)


def test_a_model_is_compared_over_the_steps_for_which_both_were_scored() -> None:
    two = standings(recent=80)
    scored(two, 50, one=0.5)
    two.choose(["baseline", "one"])
    until_ns = next(CLOCK)
    scored(two, 30, one=2.0)  # while the other was made: times in which it might have failed as well
    two.begin("other", np.tile([12 * 0.6, 12, 12], (50, 1)), until_ns, 1000)
    two.choose(NAMES)
    assert two.given == "one", "0.5 against 0.6 where both were scored"
    assert two.rmse_db("one", "other") == (pytest.approx(0.5**0.5), pytest.approx(0.6**0.5), 50)
    two.begin("other", np.tile([12 * 0.4, 12, 12], (50, 1)), until_ns, 1000)
    again = standings(recent=80)
    again.restore(Stated("standings", two.state()), [])
    assert again.choose(NAMES) == two.choose(NAMES) == "one"
    assert again.given == two.given == "other"


def test_one_that_paused_is_compared_over_the_steps_before_and_after() -> None:
    two = standings()
    scored(two, 15, one=0.6, other=0.5)
    scored(two, 20, one=0.1)
    scored(two, 5, one=0.6, other=0.5)
    assert two.rmse_db("one", "other") == (pytest.approx(0.6**0.5), pytest.approx(0.5**0.5), 20)


def test_what_a_model_proved_too_long_ago_is_forgotten() -> None:
    for later, given in ((30, "other"), (31, "one"), (1000, "one")):
        two = standings()
        scored(two, 40, one=0.5)
        two.choose(["baseline", "one"])
        until_ns = next(CLOCK)
        scored(two, later, one=0.5)
        two.begin("other", np.tile([12 * 0.1, 12, 12], (50, 1)), until_ns, 1000)
        two.choose(NAMES)
        assert two.given == given
