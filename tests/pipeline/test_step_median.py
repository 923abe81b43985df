"""The usual step of rows that come one by one, whatever their number."""

from __future__ import annotations

import numpy as np
import pytest

from bandwatch.pipeline.step_median import MOST_STEPS, StepMedian


def median_of(steps: list[int]) -> int | None:
    median = StepMedian()
    for start_ns in np.cumsum([1_700_000_000_000_000_000, *steps], dtype=np.int64).tolist():
        median.add(start_ns)
    return median.median_ns


@pytest.mark.parametrize("steps", [[5], [1, 9], [3, -7, 100], [10] * 8 + [10_000]])
def test_few_steps_are_exact(steps: list[int]) -> None:
    assert median_of(steps) == sorted(steps)[(len(steps) - 1) // 2]


def test_one_row_has_no_step() -> None:
    assert median_of([]) is None


def test_more_different_steps_than_are_kept_give_the_median_within_a_few_nanoseconds() -> None:
    random = np.random.default_rng(0)
    steps = (1_000_000_000 + random.integers(-200_000, 200_000, 4 * MOST_STEPS)).tolist()
    found = median_of(steps)
    assert found == pytest.approx(np.median(steps), abs=16)


def test_the_commonest_step_is_never_forgotten() -> None:
    steps = list(range(1, 2 * MOST_STEPS, 2)) + [7_000_000] * (3 * MOST_STEPS)
    assert median_of(steps) == pytest.approx(7_000_000, abs=4)
