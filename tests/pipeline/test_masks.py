"""Masked bins become the line between their neighbours; everything else is left alone."""

import numpy as np
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.masks import Mask
from bandwatch.tests.jig import assert_is_stage, assert_lasts, gap_before, rows


def test_passes_the_jig():
    assert_is_stage(lambda: Mask(dc_bins=3), rows(5), make_gap=gap_before)


def test_it_lasts():
    assert_lasts(lambda: Mask(dc_bins=3), [*rows(3), *rows(3, bins=64)])


def test_without_a_mask_frames_pass_untouched():
    frame = rows(1)[0]
    assert Mask().push(frame) == [frame]


def test_a_dc_spike_becomes_the_line_between_its_neighbours():
    spiked = np.full(64, -100, dtype=np.float32)
    spiked[31:34] = -30
    spiked[34] = -90
    frame = rows(1, bins=64, power_db=spiked)[0]
    masked = Mask(dc_bins=3).push(frame)[0].power_db
    np.testing.assert_allclose(masked[30:35], [-100, -97.5, -95, -92.5, -90])
    assert spiked[32] == -30


def test_a_range_is_masked_by_bin_centres_ends_included():
    frame = rows(1, bins=101, center_hz=50.0, bin_hz=1.0, power_db=np.arange(101, dtype=np.float32) ** 2)[0]
    masked = Mask([(10.0, 12.0)]).push(frame)[0].power_db
    changed = np.flatnonzero(masked != frame.power_db)
    assert changed.tolist() == [10, 11, 12]


def test_masked_edges_take_the_nearest_bin():
    frame = rows(1, bins=32, center_hz=15.5, bin_hz=1.0, power_db=np.arange(32, dtype=np.float32))[0]
    masked = Mask([(0.0, 3.0)]).push(frame)[0].power_db
    assert masked[:4].tolist() == [4, 4, 4, 4]


def test_the_mask_follows_a_retune():
    mask = Mask([(100.0, 101.0)])
    away, there = rows(1, center_hz=1e6, bin_hz=1.0)[0], rows(1, center_hz=100.5, bin_hz=1.0)[0]
    assert mask.push(away) == [away]
    assert (mask.push(there)[0].power_db != there.power_db).sum() == 2


def test_a_mask_over_every_bin_is_refused():
    with pytest.raises(BadInput, match=r"node/band: the mask covers all 128 bins .* leave at least one"):
        Mask([(0.0, 1e12)]).push(rows(1)[0])
