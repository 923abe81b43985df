"""A survey's levels are numpy's, and its windows those the windower will cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bandwatch.pipeline.frames import Gap, LevelledRow, PsdFrame
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.survey import SAMPLED_VALUES, STRIDE_ROWS, Survey
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.jig import gap_before, rows


def surveyed(items: Sequence[PsdFrame | Gap], bins: int = 128) -> Survey:
    survey = Survey(len(items), bins)
    for item in items:
        survey.add(item)
    return survey


def broken(frame: PsdFrame, value: float = math.nan) -> PsdFrame:
    power_db = frame.power_db.copy()
    power_db[3] = value
    return replace(frame, power_db=power_db)


def test_levels_are_those_of_all_finite_values() -> None:
    items = rows(30)
    items[4] = broken(items[4])
    items[9] = broken(items[9], math.inf)
    values = np.stack([item.power_db for item in items])
    finite = values[np.isfinite(values)]
    survey = surveyed(items)
    assert survey.lowest_db == finite.min()
    assert survey.highest_db == finite.max()
    assert survey.median_db == np.median(finite)
    assert survey.median_every == 1


def test_the_median_of_a_long_recording_is_that_of_some_of_its_rows() -> None:
    survey = Survey(rows=SAMPLED_VALUES, bins=3)
    assert survey.median_every == 3
    items = rows(30, bins=3)
    for item in items:
        survey.add(item)
    assert survey.median_db == np.median(np.stack([item.power_db for item in items[::3]]))


def test_nothing_has_no_median() -> None:
    assert math.isnan(surveyed([]).median_db)


@pytest.mark.parametrize("bins", [16, 32, 128, 151, 1024])
@pytest.mark.parametrize("count", [127, 128, 143, 144, 300])
def test_windows_are_those_the_windower_cuts(bins: int, count: int) -> None:
    items = rows(count, bins=bins)
    with_gap: list[PsdFrame | Gap] = [*items[:140], gap_before(items[0], lost_rows=7), *items[140:]]
    levelled = [item if isinstance(item, Gap) else LevelledRow(item, -100.0, -90.0, 0.0) for item in with_gap]
    survey = surveyed(with_gap, bins)
    assert survey.windows == len(drive(Windower(STRIDE_ROWS), levelled))
    assert (survey.gaps, survey.lost_rows) == (1, 7)
    assert survey.unbroken_rows == max(min(140, count), count - 140)


def test_a_row_of_no_numbers_ends_a_stretch() -> None:
    items = rows(300)
    items[150] = broken(items[150])
    survey = surveyed(items)
    assert survey.unbroken_rows == 150
    assert survey.windows == 2 + 2
