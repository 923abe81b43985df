"""A band's model and the windows gathered for its next one, over restarts of the agent."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandwatch.models.activity import BandModel, Geometry
from bandwatch.models.band_fitting import BandFitter, fit_band_model
from bandwatch.models.calibration_blocks import disjoint_windows
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.state import State, read_state, write_state
from bandwatch.tests.jig import assert_lasts, same
from bandwatch.tests.spoiled import assert_refuses, assert_refuses_spoiled

GEOMETRY = Geometry(
    node="node", band="band", unit="dBm/bin", bins=256, first_hz=868e6, bin_hz=187.5, segments=2
)


def features(count: int, seed: int = 0, dimensions: int = 16) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 3, (6, dimensions))
    near = centres[random.integers(6, size=count)] + random.normal(0, 0.4, (count, dimensions))
    return near.astype(np.float32)


class Fitting:
    """A fitter as a stage: features in, the models fitted because of them out."""

    def __init__(self) -> None:
        self._fitter = BandFitter(GEOMETRY, last_windows=500, most_held=200)

    def push(self, batch: np.ndarray) -> list[BandModel]:
        fitted = self._fitter.push(batch)
        return [] if fitted is None else [fitted]

    def state(self) -> State:
        return self._fitter.state()

    def restore(self, state: State) -> None:
        self._fitter.restore(state)


def a_fitter(**changes: Any) -> BandFitter:
    return BandFitter(dataclasses.replace(GEOMETRY, **changes), last_windows=500)


def test_a_fitter_stopped_anywhere_fits_the_same_models_to_the_bit() -> None:
    heard = features(560)
    assert_lasts(
        Fitting, [heard[first : first + 40] for first in range(0, 560, 40)], moments=[0, 1, 5, 9, 13]
    )


def test_clusters_keep_their_numbers_over_a_restart(tmp_path: Path) -> None:
    heard = features(400)
    before, after = a_fitter(), a_fitter()
    before.push(heard[:100])
    write_state(tmp_path / "state", before.state())
    after.restore(read_state(tmp_path / "state"))
    assert (after.windows, after.windows_due) == (100, 384)
    assert same(after.push(heard[100:]), before.push(heard[100:]))
    fresh = fit_band_model(heard[:384], GEOMETRY)
    assert after.model is not None
    assert after.model.clusters.tolist() != fresh.clusters.tolist(), (
        "a fit without the one before numbers anew"
    )


def test_what_lies_in_a_state_is_not_copied_and_never_written_again() -> None:
    """A fitter of the largest band: 6,000 windows of 512 numbers, 12 MB."""
    fitter = BandFitter(dataclasses.replace(GEOMETRY, segments=8), first_windows=6100)
    heard = features(6000, dimensions=512)
    for first in range(0, 6000, 8):
        fitter.push(heard[first : first + 8])
    tracemalloc.start()
    state = fitter.state()
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 100_000
    fitter.push(heard[:8])
    assert np.array_equal(np.concatenate(state["held"]), heard)


def test_a_fitter_whose_windows_lay_closer_together_still_shares_no_row() -> None:
    """The stride of the windows may be another after the restart; the nearer one is reckoned with."""
    heard = features(400)
    for before_rows, after_rows in ((16, 64), (64, 16)):
        before = BandFitter(GEOMETRY, stride_rows=before_rows)
        before.push(heard[:200])
        after = BandFitter(GEOMETRY, stride_rows=after_rows)
        after.restore(before.state())
        model = after.push(heard[200:])
        assert model is not None
        assert model.usual.disjoint == disjoint_windows(384, GEOMETRY.segments, 16)


def test_another_number_of_windows_for_the_first_fit_is_taken_from_now_on() -> None:
    waiting = BandFitter(GEOMETRY, first_windows=200)
    waiting.push(features(150))
    sooner = BandFitter(GEOMETRY, first_windows=96)
    sooner.restore(waiting.state())
    model = sooner.push(features(1, seed=1))
    assert model is not None
    assert model.windows == 96
    fitted = BandFitter(GEOMETRY, first_windows=96)
    fitted.push(features(100))
    later = BandFitter(GEOMETRY, first_windows=200)
    later.restore(fitted.state())
    assert (later.windows, later.windows_due) == (100, 384)
    assert same(later.model, fitted.model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node": "attic"}, "is of node/band"),
        (
            {"segments": 8},
            f"is of {GEOMETRY}, the band has {dataclasses.replace(GEOMETRY, segments=8)}",
        ),
        (
            {"first_hz": 433e6},
            f"is of {GEOMETRY}, the band has {dataclasses.replace(GEOMETRY, first_hz=433e6)}",
        ),
    ],
)
def test_the_state_of_another_band_is_refused(changes: dict[str, Any], message: str) -> None:
    fitter = a_fitter()
    fitter.push(features(120))
    node = changes.get("node", "node")
    assert_refuses(
        lambda: a_fitter(**changes), fitter.state(), f"state of band fitting of {node}/band: {message}"
    )


def test_held_windows_that_cannot_be_are_refused() -> None:
    state = a_fitter().state()
    where = "state of band fitting of node/band: "
    both = [features(3), features(3, dimensions=8)]
    lengths = where + "features of the model and of windows held have several lengths"
    assert_refuses(a_fitter, state | {"held": both}, lengths)
    model = fit_band_model(features(96), GEOMETRY).state()
    assert_refuses(a_fitter, state | {"held": both[1:], "model": model}, lengths)
    other = state | {"held": [features(5)], "heard": 7}
    assert_refuses(a_fitter, other, where + "5 windows are held, needs 7 of 7 heard")
    many = state | {"held": [features(400)], "heard": 400}
    assert_refuses(
        lambda: BandFitter(GEOMETRY, last_windows=500, most_held=200),
        many,
        where + "400 windows are held, needs at most 202",
    )
    past = state | {
        "held": [features(96)],
        "heard": 96,
        "due": 96,
        "model": fit_band_model(features(96), GEOMETRY).state(),
    }
    assert_refuses(a_fitter, past, where + "the next fit is due at 96 windows, 96 have been heard")


def test_whatever_is_wrong_with_a_state_is_refused_or_harmless() -> None:
    fitter = a_fitter()
    for first in range(0, 120, 40):
        fitter.push(features(40, seed=first))
    assert_refuses_spoiled(a_fitter, fitter.state())


def test_a_model_comes_back_to_the_bit(tmp_path: Path) -> None:
    model = fit_band_model(features(400), GEOMETRY)
    write_state(tmp_path / "state", model.state())
    back = BandModel.of_state(read_state(tmp_path / "state"))
    assert same(back, model)
    heard = features(50, seed=3) * 2
    for ours, theirs in zip(back.assign(heard), model.assign(heard), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_model_whose_state_is_not_right_is_refused() -> None:
    state = fit_band_model(features(400), GEOMETRY).state()
    for change, message in (
        ({"version": 2}, "version 2, this program reads 3"),
        ({"kind": "forecast"}, "not a band model"),
        ({"clusters": 7}, "array 'clusters' is int64 [24], needs int64 [7]"),
        ({"geometry": state["geometry"] | {"unit": "volts"}}, "unit 'volts' is none of dBFS/bin"),
        ({"arrays": state["arrays"] | {"scale": np.zeros(16, np.float32)}}, "array 'scale' holds 0"),
        ({"arrays": {"centres": "x"}}, "arrays.centres is str, needs an array"),
    ):
        with pytest.raises(BadInput) as refused:
            BandModel.of_state(state | change)
        assert str(refused.value).startswith(f"state of band model: {message}")
        assert "\n" not in str(refused.value)


def test_what_a_fitter_knows_after_its_last_fit_stays_as_it_is(tmp_path: Path) -> None:
    fitter = a_fitter()
    fitter.push(features(500))
    size = write_state(tmp_path / "state", fitter.state())
    for _ in range(50):
        fitter.push(features(100))
    assert write_state(tmp_path / "state", fitter.state()) == size
    assert size < 60_000
