"""Rows by torch: those of float64 on the processor, and those of the processor on a GPU."""

import numpy as np
import pytest
import scipy.signal
import torch

from bandwatch.models.torch_psd import TorchPowerSpectrum
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.tests.jig import same


def signal(samples, noise_db=-60.0, bins=1024):
    """Two tones, and noise of that level in a bin of a Hann window."""
    random = np.random.default_rng(0)
    sigma = 10 ** (noise_db / 20) * np.sqrt(bins / 3)
    time = np.arange(samples)
    iq = sigma * (random.normal(size=samples) + 1j * random.normal(size=samples))
    iq += 0.9 * np.exp(2j * np.pi * 0.123 * time) + 1e-2 * np.exp(-2j * np.pi * 0.31 * time)
    return iq.astype(np.complex64)


def welch_db(spectrum, samples):
    _, power = scipy.signal.welch(
        samples.astype(np.complex128),
        window=spectrum.window,
        nperseg=spectrum.bins,
        noverlap=spectrum.bins - spectrum.hop,
        detrend=False,
        return_onesided=False,
        scaling="spectrum",
    )
    return 10 * np.log10(np.fft.fftshift(power))


@pytest.mark.parametrize(("down_db", "allowed_db"), [(60, 1e-4), (80, 1e-3), (100, 1e-3)])
def test_rows_are_those_of_double_precision(down_db, allowed_db):
    spectrum = TorchPowerSpectrum(device="cpu")
    iq = signal(2 * spectrum.samples_per_row + 1024, -down_db)
    rows = spectrum.rows(iq)
    assert rows.dtype == np.float32
    assert rows.shape == (2, 1024)
    for row, power_db in enumerate(rows):
        start = row * spectrum.samples_per_row
        expected = welch_db(spectrum, iq[start : start + spectrum.samples_needed])
        assert np.abs(power_db - expected).max() < allowed_db


@pytest.mark.parametrize("hold", ["mean", "max"])
@pytest.mark.parametrize("kind", ["complex64", "int8", "int16", "uint8"])
def test_rows_are_those_of_the_other_engine(kind, hold):
    shape = {"bins": 100, "overlap": 0.7, "frames_per_row": 33, "window": "flattop", "hold": hold}
    iq = signal(7000)
    if kind != "complex64":
        codes = 100 * np.stack([iq.real, iq.imag], axis=1) + (127.5 if kind == "uint8" else 0)
        iq = codes.astype(kind)
    iq.flags.writeable = False
    expected = PowerSpectrum(**shape).rows(iq)
    np.testing.assert_allclose(TorchPowerSpectrum(**shape, device="cpu").rows(iq), expected, atol=2e-4)


@pytest.mark.parametrize("hold", ["mean", "max"])
def test_a_row_is_made_of_its_own_samples_to_the_bit(hold):
    spectrum = TorchPowerSpectrum(64, 0.5, 40, hold=hold, device="cpu")
    iq = signal(6 * spectrum.samples_per_row + 32)
    rows = spectrum.rows(iq)
    alone = [spectrum.rows(iq[row * spectrum.samples_per_row :])[0] for row in range(6)]
    assert same(np.stack(alone), rows)
    iq[spectrum.samples_per_row + 200] = np.nan
    spoilt = spectrum.rows(iq)
    assert np.isnan(spoilt[1]).all()
    assert same(np.delete(spoilt, 1, axis=0), np.delete(rows, 1, axis=0))


def test_too_few_samples_and_what_is_no_sample():
    spectrum = TorchPowerSpectrum(64, frames_per_row=4, device="cpu")
    assert spectrum.rows(np.empty(0, np.complex64)).shape == (0, 64)
    with pytest.raises(BadInput, match=r"IQ samples are float64 of shape \[9\]: must be complex64"):
        spectrum.rows(np.zeros(9))
    with pytest.raises(BadInput, match="device 'tpu' is unknown: auto, cpu, cuda or cuda:<number>"):
        TorchPowerSpectrum(device="tpu")


def test_a_gpu_says_what_the_processor_says():
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device here")
    iq = signal(3 * 131_072 + 512)
    spectrum = TorchPowerSpectrum(device="cuda")
    np.testing.assert_allclose(spectrum.rows(iq), PowerSpectrum().rows(iq), atol=2e-4)
    assert same(spectrum.rows(iq), spectrum.rows(iq))
