"""Rows get the dates of the samples they begin with, while the blocks' clock follows the host's."""

import dataclasses

import numpy as np
import pytest

from bandwatch.pipeline.block_dates import BlockDates
from bandwatch.pipeline.frames import Gap, IqBlock
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.psd_rows import PsdRows
from bandwatch.tests.jig import same

NOW_NS = 1_800_000_000_000_000_000
RATE_HZ = 1e3
MS = 1_000_000


def blocks_of(samples, block_samples, ppm_of):
    """Blocks whose clock is off the nominal rate by so many ppm in the nth of them; and their dates."""
    blocks, time_ns = [], NOW_NS
    for number, first in enumerate(range(0, len(samples), block_samples)):
        part = samples[first : first + block_samples]
        part.flags.writeable = False
        blocks.append(IqBlock("node", "band", 7, number, time_ns, 868e6, RATE_HZ, part))
        time_ns += round(len(part) * MS * (1 + ppm_of(number) * 1e-6))
    return blocks


def rows_of(blocks, spectrum):
    rows, dates = PsdRows(spectrum), BlockDates()
    return [dates.dated(row) for block in blocks for row in rows.push(dates.counted(block))], dates


@pytest.mark.parametrize("ppm_of", [lambda k: 500, lambda k: -500, lambda k: 500 * (-1) ** (k // 7)])
@pytest.mark.parametrize("block_samples", [37, 1000, 9000])
def test_no_sample_is_left_out_and_each_row_has_the_date_of_its_first(block_samples, ppm_of):
    random = np.random.default_rng(0)
    samples = random.normal(size=(60_000, 2)).astype(np.float32).view(np.complex64)[:, 0]
    spectrum = PowerSpectrum(bins=8, overlap=0.5, frames_per_row=100)
    blocks = blocks_of(samples, block_samples, ppm_of)
    rows, dates = rows_of(blocks, spectrum)
    assert same([row.power_db for row in rows], list(spectrum.rows(samples)))
    first = np.arange(len(rows)) * spectrum.samples_per_row
    at_block = np.append(np.arange(len(blocks)) * block_samples, len(samples))
    end_ns = blocks[-1].time_ns + len(blocks[-1].samples) * MS
    block_ns = np.array([*(block.time_ns for block in blocks), end_ns]) - NOW_NS
    off_ns = [row.time_ns - NOW_NS for row in rows] - np.interp(first, at_block, block_ns)
    assert np.abs(off_ns).max() <= 500e-6 * block_samples * MS + 1
    assert np.abs(off_ns[first % block_samples == 0]).max() < 1
    assert np.diff([row.time_ns for row in rows]).min() > 0
    assert {row.duration_ns for row in rows} == {400 * MS}
    assert dates.end_ns == rows[-1].end_ns


def test_rows_rise_strictly_even_where_a_block_holds_thousands():
    samples = np.ones(40_000, np.complex64)
    rows, _ = rows_of(blocks_of(samples, 10_000, lambda k: -500), PowerSpectrum(2, 0.5, 1))
    assert len(rows) == 39_999
    assert np.diff([row.time_ns for row in rows]).min() > 0


def test_after_a_break_rows_are_dated_by_the_next_block_whatever_was_before():
    spectrum = PowerSpectrum(bins=8, overlap=0.0, frames_per_row=10)
    blocks = blocks_of(np.ones(500, np.complex64), 100, lambda k: 500)
    rows, dates = PsdRows(spectrum), BlockDates()
    for block in blocks[:3]:
        list(map(dates.dated, rows.push(dates.counted(block))))
    dates.break_off()
    rows.gap(Gap("node", "band", 2, 0, 0, "clock", 0))
    set_back = dataclasses.replace(blocks[3], time_ns=5 * MS)
    [row] = map(dates.dated, rows.push(dates.counted(set_back)))
    assert row.time_ns == 5 * MS
    assert dates.end_ns == 85 * MS
