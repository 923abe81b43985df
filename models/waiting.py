"""Forecasts that wait for the steps they speak of."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pipeline.frames import NS_PER_S, Float32, Forecast, Step, read_only
from ..pipeline.state import State
from .stated import Stated


@dataclass(frozen=True, slots=True, eq=False)
class WaitingForecast:
    """A forecast given out, and what every candidate would have said; arrays [12, F].

    `spread_db` is how far off it was expected to be when it was made; NaN where nothing was known.
    """

    given: Forecast
    means: Mapping[str, Float32]
    spread_db: Float32


class WaitingForecasts:
    """At most `horizon` forecasts, matched by time with the steps that come.

    A forecast speaks of the step that ends a whole number of steps after it was made, give or take half a
    one, at the horizon of that number; steps may be missing. It is let go once it is too old for any. A
    step that does not end after the one before it says that the clock went back, told or not: then nobody
    knows what any of them spoke of, and all go.
    """

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._held: deque[WaitingForecast] = deque(maxlen=horizon)
        self._last_end_ns: int | None = None

    def add(self, forecast: WaitingForecast) -> None:
        self._held.append(forecast)

    def clear(self) -> None:
        self._held.clear()
        self._last_end_ns = None

    @property
    def newest_spread_db(self) -> Float32 | None:
        """Of the last forecast added, if it is still held."""
        return self._held[-1].spread_db if self._held else None

    def due(self, step: Step) -> list[tuple[int, WaitingForecast]]:
        """Horizon and forecast for each that speaks of this step, newest first: horizons in order."""
        step_ns = step.step_s * NS_PER_S
        if self._last_end_ns is not None and step.end_ns - self._last_end_ns < step_ns / 2:
            self._held.clear()
        self._last_end_ns = step.end_ns
        aged = [(round((step.end_ns - held.given.made_ns) / step_ns), held) for held in reversed(self._held)]
        while self._held and aged[-1][0] > self._horizon:
            aged.pop()
            self._held.popleft()
        return [(horizon, held) for horizon, held in aged if horizon >= 1]

    def state(self) -> State:
        """Of arrays that nobody writes again."""
        return {
            "last_end_ns": self._last_end_ns,
            "forecasts": [
                {
                    "made_ns": held.given.made_ns,
                    "model": held.given.model,
                    "low": held.given.low,
                    "high": held.given.high,
                    "means": dict(held.means),
                    "spread": held.spread_db,
                }
                for held in self._held
            ],
        }

    def restore(
        self, kept: Stated, node: str, band: str, step_s: float, frequencies_hz: NDArray[np.float64]
    ) -> None:
        """Hold what the one held that gave the state; BadInput where it does not fit."""
        self.clear()
        shape = (self._horizon, frequencies_hz.size)
        held: list[WaitingForecast] = []
        for each in kept.parts("forecasts", most=self._horizon):
            means = each.named_arrays("means", np.float32, shape)
            model = each.text("model")
            if model not in means:
                raise each.refuse("model", f"one of {', '.join(means)}")
            given = Forecast(
                node=node,
                band=band,
                made_ns=each.integer("made_ns"),
                step_s=step_s,
                frequencies_hz=frequencies_hz,
                mean=read_only(means[model]),
                low=read_only(each.array("low", np.float32, shape)),
                high=read_only(each.array("high", np.float32, shape)),
                model=model,
            )
            held.append(WaitingForecast(given, means, read_only(each.array("spread", np.float32, shape))))
        last_end_ns = kept.optional("last_end_ns", kept.integer)
        self._held.extend(held)
        self._last_end_ns = last_end_ns


def errors_of(
    step: Step, due: Sequence[tuple[int, WaitingForecast]], horizon: int
) -> tuple[Float32, Float32]:
    """Truth minus what was given out for a step, and how far off that was expected to be, [horizon, F] each.

    Row h is that of the forecast at horizon h + 1; NaN where none was waiting or something was not finite.
    """
    errors_db, spreads_db = np.full((2, horizon, step.values.shape[0]), np.nan, np.float32)
    for number, held in due:
        errors_db[number - 1] = step.values - held.given.mean[number - 1]
        spreads_db[number - 1] = held.spread_db[number - 1]
    errors_db[~np.isfinite(errors_db)] = np.nan
    return errors_db, spreads_db
