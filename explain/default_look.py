"""What the default forecaster looks at over a recording: its global map, as a network's, and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..models.forecast_question import ForecastQuestion
from ..models.forecasters.default_steady import SteadyDefault
from ..pipeline.frames import Float32, Int64
from ..pipeline.histories import HISTORY_STEPS
from .amounts import correlation, percent
from .default_map import default_attributions
from .global_map import even_map
from .importance import most_important
from .rank_agreement import rank_correlation
from .study_windows import evenly, mapped_windows

MOST_WINDOWS = 256
SAMPLES = 16
AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class DefaultLook:
    """Sizes of expected gradients in dB: of each value, how much it adds to or takes from the mean forecast.

    `map` [rows, F] is I(t, f), NaN where none of the `windows` covers a row. Where not all windows are drawn,
    a row is seen at few of the 24 steps, and the newest count most: a row's mean is taken beside
    what is usual at these steps, which of all windows is the plain mean. `steps` [24], oldest first, and
    `older`, of all rows before these, are shares of the whole and together 1.
    """

    map: Float32
    windows: int
    steps: Float32
    older: float

    @property
    def frequencies(self) -> Float32:
        """Mean of the map over all rows that a window covers, [F]."""
        return np.asarray(np.nanmean(self.map, axis=0, dtype=np.float64), dtype=np.float32)

    @classmethod
    def of(
        cls,
        question: ForecastQuestion,
        forecaster: SteadyDefault,
        most: int = MOST_WINDOWS,
        seed: int = 0,
        on_windows: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> DefaultLook:
        """Of windows drawn evenly from the recording, against those within the training rows."""
        rows, needs = question.rows, forecaster.needs_rows
        place, parts, end = np.zeros(rows.count, dtype=np.int64), [], 0
        for stretch in rows.grid():  # so far apart that nothing is read from one in the other
            between = np.full((needs, stretch.values.shape[1]), np.nan, np.float32)
            place[stretch.number] = end + stretch.place
            parts += [stretch.values, between]
            end += len(stretch.values) + needs
        values = np.concatenate(parts)
        every = mapped_windows(rows, rows.count)
        learned = every[(every >= question.train.start) & (every + HISTORY_STEPS <= question.train.stop)]
        firsts = every[evenly(len(every), most)]
        # A window's origin is the row behind its last one, which need not be there.
        origins: Int64 = place[firsts + HISTORY_STEPS - 1] + 1
        maps, older = [], 0.0
        for start in range(0, len(origins), AT_ONCE):
            found = default_attributions(
                forecaster,
                values,
                origins[start : start + AT_ONCE],
                background=place[learned + HISTORY_STEPS - 1] + 1,
                samples=SAMPLES,
                seed=seed,
            )
            maps.append(np.abs(found.maps))
            older += float(np.abs(found.older).sum(dtype=np.float64))
            on_windows(start + len(found.maps), len(origins))
        sizes = np.concatenate(maps)
        steps = sizes.sum(axis=(0, 2), dtype=np.float64)
        whole = steps.sum() + older or 1.0
        return cls(
            even_map(sizes, firsts, rows.count),
            len(firsts),
            (steps / whole).astype(np.float32),
            older / whole,
        )


def default_look_sentence(
    look: DefaultLook, columns: slice, of_default: Float32, places: Callable[[Int64], str]
) -> str:
    """`places` names columns; `of_default` [F] is its importance by permutation, to be compared with."""
    by_frequency = look.frequencies
    count, forecast, back = len(by_frequency), columns.stop - columns.start, len(look.steps)
    whole = float(by_frequency.sum())
    if whole <= 0:
        return "The default's map is empty: its forecast hangs on no value of the past."
    named = places(most_important(by_frequency, min(10, max(3, count // 10))))
    said = f"By its own map (SHAP, by its slopes) the default looks most at {named}."
    alike = rank_correlation(by_frequency, of_default)
    if np.isfinite(alike):
        said += f" The order of its map and of permutation correlate by {correlation(alike)}."
    if forecast < count:
        own = float(by_frequency[columns].sum()) / whole
        said += f" {percent(own)} of the map is on the {forecast} frequencies that it forecasts."
    half = int(np.searchsorted(np.cumsum(look.steps[::-1]), look.steps.sum() / 2)) + 1
    return (
        f"{said} Rows older than {back} have {percent(look.older)} of what it looks at; of the rest half is "
        f"on the newest {half}."
    )
