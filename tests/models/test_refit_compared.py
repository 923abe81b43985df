"""A new fit and the one in use are compared on steps that neither has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bandwatch.models.forecast_fit import Fit, load_fit
from bandwatch.models.refit import refit
from bandwatch.models.step_table import StepTable

STEPS, HELD_OUT = 800, 700
STEP_NS = 60 * 10**9


@pytest.fixture(scope="module")
def table() -> StepTable:
    """A level that comes half way back to -90 dB each step: nothing forecasts it better than to 1.1 dB."""
    random = np.random.default_rng(3)
    values = np.full((STEPS, 2), -90.0)
    for row in range(1, STEPS):
        values[row] = -90 + 0.5 * (values[row - 1] + 90) + random.normal(size=2)
    return StepTable(
        node="node",
        band="band",
        unit="dB",
        step_s=60.0,
        frequencies_hz=np.array([868e6, 869e6]),
        values=values.astype(np.float32),
        end_ns=STEP_NS * (1 + np.arange(STEPS)),
    )


class Knows:
    """Exact about the rows that it has seen, and off by so much about all others."""

    name = "knows"
    needs_rows = 24

    def __init__(self, table: StepTable, seen: int, off_db: float) -> None:
        self.values, self.off_db = table.values, np.where(np.arange(STEPS) < seen, 0, off_db)
        self.row_of = {row.tobytes(): number for number, row in enumerate(table.values)}

    def forecasts(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        (origin,) = origins.tolist()
        first = self.row_of[values[origin - 1].tobytes()] + 1
        ahead = slice(first, first + 12)
        return (self.values[ahead] + self.off_db[ahead, np.newaxis])[np.newaxis]


def in_use(table: StepTable, seen: int, off_db: float) -> Fit:
    return Fit(
        key="before",
        node="node",
        band="band",
        unit="dB",
        step_s=60.0,
        frequencies_hz=table.frequencies_hz,
        made_ns=0,
        steps=seen,
        fitted_until_ns=int(table.end_ns[seen - 1]),
        squares=np.zeros((0, 3)),
        scored_until_ns=0,
        forecaster=Knows(table, seen, off_db),
    )


@pytest.mark.parametrize(
    ("seen", "off_db", "stays"),
    [
        (HELD_OUT, 1.4, False),
        (HELD_OUT, 0.5, True),
        (750, 1.4, False),  # over all that is held out it would be the better one: 0.9 dB
        (750, 0.5, True),
        (780, 0.5, False),  # nobody can tell
    ],
)
def test_the_fit_in_use_is_asked_only_for_steps_that_it_has_not_seen(
    table: StepTable, tmp_path: Path, seen: int, off_db: float, stays: bool
) -> None:
    found = refit(table, tmp_path, in_use=in_use(table, seen, off_db), seed=0, made_ns=7)
    assert found is not None
    assert found.steps == HELD_OUT
    assert (found.key is None) == stays
    if stays:
        assert found.squares[:, 2].sum() == 12 * (STEPS - 11 - seen)
        np.testing.assert_allclose(found.squares[:, 0] / found.squares[:, 2], off_db**2, rtol=1e-4)


def test_a_fit_says_of_which_steps_it_was_made_and_on_which_it_was_tried(table, tmp_path) -> None:
    found = refit(table, tmp_path, in_use=None, seed=0, made_ns=7)
    assert found is not None
    assert found.key is not None
    fit = load_fit(tmp_path / found.key)
    assert fit.fitted_until_ns == table.end_ns[HELD_OUT - 1]
    assert fit.scored_until_ns == table.end_ns[-1]
    assert 1.0 < fit.rmse_db < 1.3 < fit.repeat_last_rmse_db
