"""IQ -> PSD rows: the level a tone reads, scipy's Welch as the oracle, and time counted in samples."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline import psd_fftw
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import IqBlock
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.psd_rows import CLOCK_LIMIT_NS, PsdRows
from bandwatch.pipeline.psd_shape import SILENCE_DB
from bandwatch.pipeline.stage import drive
from bandwatch.tests.jig import assert_is_stage, gap_before, same

START_NS = 1_800_000_000_123_456_789
RATE_HZ = 2.4e6


def tone(samples, cycles_per_sample, amplitude=1.0):
    return (amplitude * np.exp(2j * np.pi * cycles_per_sample * np.arange(samples))).astype(np.complex64)


def noise(samples, sigma=1e-2, seed=0):
    random = np.random.default_rng(seed)
    return (sigma * (random.normal(size=samples) + 1j * random.normal(size=samples))).astype(np.complex64)


def blocks(iq, cuts, rate_hz=RATE_HZ, **changes):
    """The samples cut at `cuts` into blocks with the times a faultless receiver gives them."""
    edges = [0, *cuts, len(iq)]
    fields = {"node": "n", "band": "b", "stream": 7, "center_hz": 868e6, "gain_db": 20.0}
    return [
        IqBlock(
            **(
                fields
                | {"seq": seq, "samples": iq[start:end], "sample_rate_hz": rate_hz}
                | {"time_ns": START_NS + round(start * Fraction(10**9) / Fraction(rate_hz))}
                | changes
            )
        )
        for seq, (start, end) in enumerate(pairwise(edges))
    ]


@pytest.fixture(params=["fftw", "scipy"])
def engine(request):
    if request.param == "fftw" and psd_fftw.library() is None:
        pytest.skip("pyfftw is not installed: the extra `fftw` brings it")
    return request.param


def oracle(spectrum, iq):
    """Welch's rows (or the maximum of the frames), in float64 from end to end: power, DC in the middle."""
    weights = scipy.signal.get_window(spectrum.window, spectrum.bins)
    rows = []
    for row in range(spectrum.rows_in(len(iq))):
        start = row * spectrum.samples_per_row
        samples = iq[start : start + spectrum.samples_needed].astype(np.complex128)
        frames = np.lib.stride_tricks.sliding_window_view(samples, spectrum.bins)[:: spectrum.hop]
        power = np.abs(np.fft.fft(frames * weights)) ** 2 / weights.sum() ** 2
        rows.append(np.fft.fftshift(power.mean(axis=0) if spectrum.hold == "mean" else power.max(axis=0)))
    return np.array(rows)


# Levels


@pytest.mark.parametrize("window", ["hann", "boxcar", "blackmanharris", "flattop"])
@pytest.mark.parametrize("offset", [-512, -100, 0, 1, 511])
def test_a_full_scale_tone_on_a_bin_centre_reads_zero_decibels_in_its_bin(window, offset):
    spectrum = PowerSpectrum(window=window, frames_per_row=20)
    [row] = spectrum.rows(tone(spectrum.samples_needed, offset / 1024))
    assert row.argmax() == 512 + offset
    assert row.max() == pytest.approx(0, abs=1e-4)


def test_a_tone_a_tenth_as_strong_reads_minus_twenty_decibels():
    spectrum = PowerSpectrum(bins=64, frames_per_row=8)
    [row] = spectrum.rows(tone(spectrum.samples_needed, 5 / 64, amplitude=0.1))
    assert row.max() == pytest.approx(-20, abs=1e-4)


@pytest.mark.parametrize(
    ("bins", "overlap", "frames", "window"),
    [
        (1024, 0.5, 256, "hann"),
        (1000, 0.75, 37, "blackman"),
        (33, 0.3, 50, "hamming"),
        (128, 0, 1, "boxcar"),
    ],
)
def test_every_row_is_what_welch_says_of_its_samples(bins, overlap, frames, window):
    spectrum = PowerSpectrum(bins, overlap, frames, window)
    samples = 2 * spectrum.samples_per_row + spectrum.samples_needed + spectrum.hop - 1
    iq = noise(samples) + tone(samples, 0.123, 0.3) + tone(samples, -0.31, 1e-3)
    rows = spectrum.rows(iq)
    assert rows.dtype == np.float32
    assert rows.shape == (3, bins)
    for row, power_db in enumerate(rows):
        start = row * spectrum.samples_per_row
        _, power = scipy.signal.welch(
            iq[start : start + spectrum.samples_needed].astype(np.complex128),
            window=window,
            nperseg=bins,
            noverlap=bins - spectrum.hop,
            detrend=False,
            return_onesided=False,
            scaling="spectrum",
        )
        np.testing.assert_allclose(power_db, 10 * np.log10(np.fft.fftshift(power)), atol=1e-3)


@pytest.mark.parametrize("window", ["hann", "flattop"])
@pytest.mark.parametrize(("down_db", "allowed_db"), [(60, 1e-4), (74, 1e-3), (80, 1e-3), (100, 1e-3)])
def test_what_lies_far_below_a_tone_reads_as_in_double_precision(engine, window, down_db, allowed_db):
    spectrum = PowerSpectrum(window=window, engine=engine)
    samples = 2 * spectrum.samples_per_row + spectrum.bins
    sigma = 10 ** (-down_db / 20) * np.sqrt(spectrum.bins / 2 / spectrum.enbw_bins)  # -down_db in a bin
    iq = noise(samples, sigma) + tone(samples, 100.5 / 1024, 0.9) + tone(samples, -0.31, 1e-2)
    error_db = spectrum.rows(iq) - 10 * np.log10(oracle(spectrum, iq))
    assert np.abs(error_db).max() < allowed_db


@pytest.mark.parametrize(("hold", "frames"), [("max", 256), ("mean", 1), ("mean", 8)])
@pytest.mark.parametrize("down_db", [40, 60, 80, 100])
def test_rows_of_few_frames_and_max_hold_read_so_too(engine, hold, frames, down_db):
    spectrum = PowerSpectrum(frames_per_row=frames, hold=hold, engine=engine)
    samples = 4 * spectrum.samples_per_row + spectrum.bins
    sigma = 10 ** (-down_db / 20) * np.sqrt(spectrum.bins / 3)
    iq = noise(samples, sigma) + tone(samples, 100.5 / 1024, 0.9)
    error_db = spectrum.rows(iq) - 10 * np.log10(oracle(spectrum, iq))
    assert np.abs(error_db).max() < 1e-3


@pytest.mark.parametrize(("hold", "frames"), [("max", 64), ("mean", 1), ("mean", 8), ("mean", 64)])
@pytest.mark.parametrize("bins", [16, 17, 1024])
def test_what_lies_within_sixty_decibels_of_the_loudest_bin_reads_ten_times_closer(
    engine, hold, frames, bins
):
    spectrum = PowerSpectrum(bins, 0.5, frames, "flattop", hold=hold, engine=engine)
    samples = 4 * spectrum.samples_per_row + bins
    for down_db in (40, 50, 59, 69):
        sigma = 10 ** (-down_db / 20) * np.sqrt(bins / 2 / spectrum.enbw_bins)
        iq = noise(samples, sigma) + tone(samples, (bins // 3 + 0.1) / bins, 0.9)
        expected_db = 10 * np.log10(oracle(spectrum, iq))
        near = expected_db >= expected_db.max(axis=1, keepdims=True) - 60
        assert np.abs(spectrum.rows(iq) - expected_db)[near].max() < 1e-4


@pytest.mark.parametrize("hold", ["mean", "max"])
@pytest.mark.parametrize("amplitude", [1e20, 1e38])
def test_finite_samples_whose_power_is_beyond_float32_give_finite_rows(engine, hold, amplitude):
    spectrum = PowerSpectrum(bins=64, frames_per_row=40, hold=hold, engine=engine)
    iq = noise(3 * spectrum.samples_per_row + 32, sigma=0.2) * np.float32(amplitude)
    expected_db = 10 * np.log10(oracle(spectrum, iq))
    np.testing.assert_allclose(spectrum.rows(iq), expected_db, atol=1e-4)


def test_tones_over_a_hundred_decibels_read_their_levels(engine):
    spectrum = PowerSpectrum(engine=engine)
    samples = spectrum.samples_needed
    levels_db = [0, -20, -40, -60, -80, -100]
    bins = [-400, -250, -100, 50, 200, 350]
    iq = noise(samples, 10 ** (-120 / 20)).astype(np.complex128)
    for level_db, place in zip(levels_db, bins, strict=True):
        iq += 10 ** (level_db / 20) * np.exp(2j * np.pi * place / 1024 * np.arange(samples))
    iq = iq.astype(np.complex64)
    row = spectrum.rows(iq)[0]
    assert [row[512 + place] for place in bins] == pytest.approx(
        levels_db, abs=0.01
    )  # noise adds to the last
    assert np.abs(row - 10 * np.log10(oracle(spectrum, iq))[0]).max() < 1e-3


def test_max_hold_reads_the_strongest_frame_of_each_bin(engine):
    spectrum = PowerSpectrum(64, 0.5, 75, hold="max", engine=engine)
    iq = noise(3 * spectrum.samples_per_row + 40)
    iq[1000:1064] += tone(64, 9 / 64)
    rows = spectrum.rows(iq)
    np.testing.assert_allclose(rows, 10 * np.log10(oracle(spectrum, iq)), atol=1e-4)
    assert rows[0, 32 + 9] == pytest.approx(0, abs=2.5)  # a frame of 64 is in it, if not at its middle


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int8", lambda codes: codes / 128),
        ("int16", lambda codes: codes / 32768),
        (">i2", lambda codes: codes / 32768),
        ("uint8", lambda codes: (codes - 127.5) / 128),
    ],
)
@pytest.mark.parametrize("hold", ["mean", "max"])
def test_integers_read_as_the_samples_they_stand_for(engine, hold, kind, value):
    limits = np.iinfo(kind)
    random = np.random.default_rng(4)
    codes = random.integers(limits.min, limits.max, (5000, 2), endpoint=True).astype(kind)
    before = codes.copy()
    spectrum = PowerSpectrum(128, 0.25, 11, hold=hold, engine=engine)
    parts = value(codes.astype(np.float64))
    expected = 10 * np.log10(oracle(spectrum, parts[:, 0] + 1j * parts[:, 1]))
    np.testing.assert_allclose(spectrum.rows(codes), expected, atol=1e-4)
    assert same(codes, before)


def test_integers_may_be_strided_read_only_or_begin_anywhere_in_memory(engine):
    spectrum = PowerSpectrum(64, frames_per_row=4, engine=engine)
    codes = np.random.default_rng(5).integers(-32768, 32767, (1000, 2)).astype(np.int16)
    expected = spectrum.rows(codes)
    assert same(spectrum.rows(np.stack([codes, codes], axis=1)[:, 1]), expected)
    shifted = np.frombuffer(b"x" + codes.tobytes(), np.int16, offset=1).reshape(-1, 2)
    assert same(spectrum.rows(shifted), expected)


def test_the_middle_of_unsigned_codes_is_silence_only_between_two_of_them():
    # An RTL2832 that hears nothing says 127 and 128 in turn: half a code, 48 dB below full scale.
    spectrum = PowerSpectrum(64, frames_per_row=4)
    assert spectrum.rows(np.full((1000, 2), 128, np.uint8)).max() == pytest.approx(
        20 * np.log10(np.sqrt(2) * 0.5 / 128), abs=1e-4
    )


@pytest.mark.parametrize("threads", [2, 3, 16])
@pytest.mark.parametrize("hold", ["mean", "max"])
def test_threads_never_change_a_bit(engine, hold, threads):
    iq = noise(50 * 64 * 40 + 64)
    alone = PowerSpectrum(128, 0.5, 40, hold=hold, engine=engine).rows(iq)
    shared = PowerSpectrum(128, 0.5, 40, hold=hold, engine=engine, threads=threads)
    assert same(shared.rows(iq), alone)


def test_one_spectrum_serves_many_threads_at_once(engine):
    spectrum = PowerSpectrum(256, frames_per_row=20, engine=engine)
    pieces = [noise(20_000, seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(spectrum.rows, pieces))
    assert same(together, [spectrum.rows(piece) for piece in pieces])


def test_rows_do_not_depend_on_which_came_before(engine):
    spectrum = PowerSpectrum(100, 0.3, 70, engine=engine)
    iq = noise(12 * spectrum.samples_per_row + 100)
    rows = spectrum.rows(iq)
    singly = [spectrum.rows(iq[row * spectrum.samples_per_row :])[0] for row in range(12)]
    assert same(np.stack(singly), rows)


def test_white_noise_reads_its_power_in_the_equivalent_noise_bandwidth():
    spectrum = PowerSpectrum(bins=256, frames_per_row=4000)
    assert spectrum.enbw_bins == pytest.approx(1.5)
    assert PowerSpectrum(window="boxcar").enbw_bins == pytest.approx(1)
    sigma = 0.05
    [row] = spectrum.rows(noise(spectrum.samples_needed, sigma))
    power = 2 * sigma**2 * spectrum.enbw_bins / spectrum.bins
    assert 10 * np.log10(np.mean(10 ** (row / 10))) == pytest.approx(10 * np.log10(power), abs=0.02)


def test_silence_reads_a_finite_floor():
    spectrum = PowerSpectrum(bins=64, frames_per_row=4)
    rows = spectrum.rows(np.zeros(spectrum.samples_needed, np.complex64))
    assert np.all(rows == np.float32(SILENCE_DB))
    assert pytest.approx(-379.3, abs=0.1) == SILENCE_DB


@pytest.mark.parametrize("hold", ["mean", "max"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, complex(0, np.nan)])
def test_a_sample_that_is_not_a_number_spoils_its_own_row_only(engine, hold, value):
    spectrum = PowerSpectrum(bins=64, frames_per_row=40, hold=hold, engine=engine)
    iq = noise(4 * spectrum.samples_per_row + 32)
    clean = spectrum.rows(iq)
    iq[spectrum.samples_per_row + 200] = value
    spoilt = spectrum.rows(iq)
    assert not np.isfinite(spoilt[1]).any()
    assert same(spoilt[[0, 2, 3]], clean[[0, 2, 3]])


def test_a_sample_that_two_rows_share_spoils_both():
    spectrum = PowerSpectrum(bins=64, frames_per_row=10)
    iq = noise(3 * spectrum.samples_per_row + 32)
    iq[spectrum.samples_per_row] = np.nan
    assert list(np.isnan(spectrum.rows(iq)).all(axis=1)) == [True, True, False]


def test_samples_too_few_for_a_row_give_no_row():
    spectrum = PowerSpectrum(bins=64, frames_per_row=4)
    assert spectrum.rows(np.empty(0, np.complex64)).shape == (0, 64)
    assert spectrum.rows(noise(spectrum.samples_needed - 1)).shape == (0, 64)
    assert spectrum.rows(noise(spectrum.samples_needed)).shape == (1, 64)


def test_strided_double_and_read_only_samples_read_the_same():
    spectrum = PowerSpectrum(bins=64, frames_per_row=4)
    iq = noise(1000)
    expected = spectrum.rows(iq)
    assert same(spectrum.rows(np.repeat(iq, 2)[::2]), expected)
    assert same(spectrum.rows(iq.astype(np.complex128)), expected)
    iq.flags.writeable = False
    assert same(spectrum.rows(iq), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bins": 1}, "psd bins is 1: must be 2..1048576"),
        ({"overlap": 1.0}, "psd overlap is 1.0: must be at least 0 and less than 1"),
        ({"overlap": float("nan")}, "psd overlap is nan: must be at least 0 and less than 1"),
        ({"frames_per_row": 0}, "psd frames_per_row is 0: must be at least 1"),
        ({"window": "hanning!"}, "psd window is 'hanning!': "),
        ({"hold": "min"}, "psd hold is 'min': must be mean or max"),
        ({"engine": "mkl"}, "psd engine is 'mkl': must be auto, fftw or scipy"),
        ({"threads": 0}, "psd threads is 0: must be 1..256"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_by_name(changes, message):
    with pytest.raises(BadInput) as refused:
        PowerSpectrum(**changes)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("iq", "found"),
    [
        (np.zeros((2, 8), np.complex64), "complex64 of shape [2, 8]"),
        (np.zeros(8, np.float32), "float32 of shape [8]"),
        (np.zeros(8, np.int16), "int16 of shape [8]"),
        (np.zeros((8, 3), np.int8), "int8 of shape [8, 3]"),
        (np.zeros((8, 2), np.uint16), "uint16 of shape [8, 2]"),
    ],
)
def test_what_is_not_one_channel_of_samples_is_refused(iq, found):
    with pytest.raises(BadInput) as refused:
        PowerSpectrum().rows(iq)
    wanted = "must be complex64 of shape [n], or int8, int16 or uint8 of shape [n, 2]"
    assert str(refused.value) == f"IQ samples are {found}: {wanted}"


# The stage


def small():
    return PowerSpectrum(bins=64, frames_per_row=40)


@given(cuts=st.lists(st.integers(0, 6000), max_size=12).map(sorted))
@settings(deadline=None, max_examples=60)
def test_how_samples_are_cut_into_blocks_never_changes_a_row(cuts):
    iq = noise(6000)
    whole = drive(PsdRows(small()), blocks(iq, []))
    assert len(whole) == 4
    assert same(drive(PsdRows(small()), blocks(iq, cuts)), whole)


def test_rows_of_the_stage_are_those_of_the_spectrum_wherever_memory_puts_them():
    iq = noise(6001)[1:]
    frames = drive(PsdRows(small()), blocks(iq, range(1, 6000, 7)))
    assert same(np.stack([frame.power_db for frame in frames]), small().rows(iq))


@pytest.mark.parametrize("hold", ["mean", "max"])
def test_the_stage_keeps_its_contract(hold):
    # Blocks of two and a half rows.
    assert_is_stage(
        lambda: PsdRows(PowerSpectrum(bins=64, frames_per_row=40, hold=hold)),
        blocks(noise(32_000), range(3200, 32_000, 3200)),
        make_gap=gap_before,
        gap_forgets=False,
    )


def test_rows_after_a_gap_begin_with_the_block_after_it():
    items = blocks(noise(6000), [2500])
    stage = PsdRows(small())
    before = stage.push(items[0])
    assert stage.gap(gap_before(items[1])) == []
    after = stage.push(items[1])
    assert [frame.seq for frame in before + after] == [0, 1, 2]
    assert after[0].time_ns == items[1].time_ns
    assert same(after[0].power_db, small().rows(items[1].samples)[0])


def test_a_frame_says_where_when_and_what():
    [frame] = PsdRows(small()).push(blocks(noise(1400), [])[0])
    assert (frame.node, frame.band, frame.stream, frame.seq) == ("n", "b", 7, 0)
    assert frame.time_ns == START_NS
    assert frame.duration_ns == round(40 * 32 / RATE_HZ * 1e9)
    assert frame.bin_hz == RATE_HZ / 64
    assert (frame.unit, frame.gain_db, frame.lost_samples) == ("dBFS/bin", 20.0, 0)
    assert not frame.power_db.flags.writeable


@pytest.mark.parametrize("bins", [64, 65])
@pytest.mark.parametrize("offset", [-30, 0, 17])
def test_a_tone_is_found_at_its_own_frequency(bins, offset):
    spectrum = PowerSpectrum(bins=bins, frames_per_row=20)
    [frame] = PsdRows(spectrum).push(blocks(tone(spectrum.samples_needed, offset / bins), [])[0])
    found_hz = frame.first_hz + frame.power_db.argmax() * frame.bin_hz
    assert found_hz == pytest.approx(868e6 + offset / bins * RATE_HZ, abs=1e-3)


@pytest.mark.parametrize("rate_hz", [2.4e6, 250e3 / 3, 1_999_999.95])
def test_row_times_are_the_exact_count_of_samples(rate_hz):
    stage = PsdRows(PowerSpectrum(bins=2, overlap=0, frames_per_row=1))
    frames = drive(stage, blocks(noise(20_000), range(77, 20_000, 77), rate_hz))
    exact = [START_NS + round(Fraction(2 * row) * 10**9 / Fraction(rate_hz)) for row in range(10_000)]
    assert [frame.time_ns for frame in frames] == exact


@pytest.mark.parametrize(
    "change",
    [
        {"center_hz": 869e6},
        {"gain_db": None},
        {"sample_rate_hz": 1e6},
        {"lost_samples": 5},
        {"band": "other"},
        {"time_ns": START_NS + 1000 + 2 * CLOCK_LIMIT_NS},
    ],
)
def test_a_block_that_does_not_follow_starts_a_row_of_its_own(change):
    first, second = blocks(noise(4000), [2000])
    second = dataclasses.replace(second, **change)
    stage = PsdRows(small())
    stage.push(first)
    [frame] = stage.push(second)
    assert frame.time_ns == second.time_ns
    assert frame.seq == 1
    assert frame.lost_samples == second.lost_samples
    assert same(frame.power_db, small().rows(second.samples)[0])


def test_another_stream_is_numbered_from_zero():
    first, second = blocks(noise(4000), [2000])
    stage = PsdRows(small())
    [before] = stage.push(first)
    [after] = stage.push(dataclasses.replace(second, stream=8))
    assert (before.seq, after.seq, after.stream) == (0, 0, 8)


def test_losses_add_up_until_a_row_tells_them_once():
    items = blocks(noise(3000), [100, 200])
    items = [
        dataclasses.replace(block, lost_samples=lost) for block, lost in zip(items, (0, 5, 7), strict=True)
    ]
    frames = drive(PsdRows(small()), items)
    assert [frame.lost_samples for frame in frames] == [12, 0]


def test_a_little_jitter_of_block_times_does_not_move_the_rows():
    first, second = blocks(noise(6000), [100])
    jittered = dataclasses.replace(second, time_ns=second.time_ns + CLOCK_LIMIT_NS // 2)
    assert same(drive(PsdRows(small()), [first, jittered]), drive(PsdRows(small()), [first, second]))


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_a_block_without_a_rate_is_refused(rate_hz):
    [block] = blocks(noise(10), [])
    with pytest.raises(BadInput, match=r"IQ block sample_rate_hz is .*: must be above 0"):
        PsdRows(small()).push(dataclasses.replace(block, sample_rate_hz=rate_hz))
