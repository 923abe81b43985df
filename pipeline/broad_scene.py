"""Scenes drawn at random from more of the radio world than `varied` has: other services, other receivers.

An encoder trained on many of them is to know shapes wherever they come from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .broad_draws import BroadDraw
from .scene import Scene
from .varied_scene import MAX_EMITTERS

_SCENE_KEY = 2**32 - 4
"""The spawn key of the scene's own generator: no chunk of a band has it."""

_COUNT_WEIGHTS = np.array((4, 15, 18, 18, 14, 11, 5, 4, 3, 2, 2, 2, 2)) / 100
"""How often a band has 0, 1, ... 12 emitters: so few, mostly, that a window shows one kind."""


def broad_scene(seed: int) -> Scene:
    """The scene of a seed: 0 to 12 emitters of random kinds, mostly 1 to 5; receivers as in `varied`, but a
    fifth with rows of one or two spectra, some with DC lines to 25 dB, half with drifting and half with
    jittering gain."""
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SCENE_KEY,)))
    draw = BroadDraw(random)
    heard = draw.received(draw.emitters(int(random.choice(MAX_EMITTERS + 1, p=_COUNT_WEIGHTS))))
    averaged_spectra, dc_line_db = heard.averaged_spectra, heard.dc_line_db
    if random.random() < 0.2:
        averaged_spectra = float(random.choice((1.0, random.uniform(1.0, 2.0))))
    if random.random() < 0.08:
        dc_line_db = random.uniform(12.0, 25.0)
    return replace(
        heard,
        averaged_spectra=averaged_spectra,
        dc_line_db=dc_line_db,
        gain_drift_db=_in_half_of_bands(random, 0.1, 2.0),
        gain_jitter_db=_in_half_of_bands(random, 0.02, 0.5),
    )


def _in_half_of_bands(random: np.random.Generator, least: float, most: float) -> float:
    drawn = float(np.exp(random.uniform(np.log(least), np.log(most))))
    return drawn if random.random() < 0.5 else 0.0
