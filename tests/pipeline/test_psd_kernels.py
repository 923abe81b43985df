"""The compiled loops, on arrays small enough to work out by hand; and the library they call."""

import subprocess
import sys

import numpy as np
import pytest
from numba import types

from bandwatch.pipeline import psd_fftw
from bandwatch.pipeline.psd_kernels import GROUP_FRAMES, add_frames, compiled, rows_by_fftw, weigh_frames


def floats(*numbers):
    return np.array(numbers, np.float32)


@pytest.mark.parametrize("kind", ["float32", "int8", "int16", "uint8"])
def test_frames_are_taken_a_hop_apart_freed_of_their_zero_and_weighted(kind):
    samples = np.arange(1, 9).astype(kind)  # 1+2j, 3+4j, 5+6j, 7+8j
    frames = np.empty((3, 4), np.float32)
    weigh_frames(samples.dtype)(samples, 1, floats(2, 2, 0.5, 0.5), 1.0, frames)
    assert frames.tolist() == [[0, 2, 1, 1.5], [4, 6, 2, 2.5], [8, 10, 3, 3.5]]


def test_the_power_of_spectra_is_added_up_by_bin():
    spectra = np.stack([floats(3, 4, 1, 0), floats(0, 1, 2, 2)])
    group, power = np.zeros(4, np.float32), np.array([100.0, 200.0])
    add_frames()(spectra, False, group, power)
    assert power.tolist() == [126, 209]
    assert not group.any()


def test_the_greatest_power_is_held_from_block_to_block():
    group, power = np.zeros(4, np.float32), np.zeros(2)
    add_frames()(np.stack([floats(3, 4, 1, 0)]), True, group, power)
    add_frames()(np.stack([floats(0, 1, 2, 2), floats(1, 1, 1, 1)]), True, group, power)
    assert power.tolist() == [25, 8]


@pytest.mark.parametrize("is_max", [False, True])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_is_not_a_number_stays(is_max, place):
    spectra = np.ones((3, 4), np.float32)
    spectra[place, 1] = np.nan
    group, power = np.zeros(4, np.float32), np.zeros(2)
    add_frames()(spectra, is_max, group, power)
    assert np.isnan(power).tolist() == [True, False]


def test_a_million_equal_frames_add_up_without_drift():
    # In float32 alone the sum would stand still at 2 ** 24 times a frame.
    frames, power = 1 << 20, np.zeros(2)
    spectra = np.broadcast_to(floats(0.1, 0, 0.3, 0), (GROUP_FRAMES * 64, 4)).copy()
    for _ in range(frames // len(spectra)):
        add_frames()(spectra, False, np.zeros(4, np.float32), power)
    exact = np.square(spectra[0, ::2].astype(np.float64)) * frames
    np.testing.assert_allclose(power, exact, rtol=1e-6)


def test_fftw_is_called_by_its_address():
    fftw = psd_fftw.library()
    if fftw is None:
        pytest.skip("pyfftw is not installed: the extra `fftw` brings it")
    samples = floats(1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0)  # an impulse, and a constant
    scratch = [psd_fftw.numbers_aligned(8) for _ in range(3)]
    power = np.full((2, 4), -1.0)
    execute, plan = psd_fftw.execute_address(fftw), psd_fftw.plan(4)
    rows_by_fftw(samples.dtype)(
        samples, 4, 1, np.ones(8, np.float32), 0.0, False, execute, plan, *scratch, power
    )
    assert power.tolist() == [[1, 1, 1, 1], [16, 0, 0, 0]]


def test_what_cannot_be_cached_is_compiled_all_the_same():
    # A function that is in no file has no place in any cache: numba refuses as it does without a directory.
    made: dict[str, object] = {}
    exec("def twice(number):\n    return 2 * number\n", made)
    assert compiled(types.intp(types.intp), made["twice"])(21) == 42


def test_scratch_begins_at_a_cache_line():
    assert {psd_fftw.numbers_aligned(count).ctypes.data % 64 for count in range(1, 40)} == {0}


def test_who_makes_no_rows_does_not_load_numba():
    program = "import sys; from bandwatch.pipeline.psd import PowerSpectrum as P; P(); "
    program += "sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
