"""The modulations: their data come out of a receiver, their spectra are those of the books."""

import numpy as np
import pytest
import scipy.signal

from bandwatch.pipeline.keyed_pulses import OffsetQpsk, OnOffPulses, PulseTrain
from bandwatch.pipeline.swept_phases import GaussianFsk, LoraChirps, WanderingTone

RATE_HZ = 200e3


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def signs(count: int) -> np.ndarray:
    return random().choice(np.array((-1.0, 1.0)), count)


def times(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def spectrum(samples: np.ndarray, bins: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, and what bins behind a Hann window read; scipy's."""
    frequency_hz, power = scipy.signal.welch(
        samples, RATE_HZ, "hann", bins, return_onesided=False, scaling="spectrum", detrend=False
    )
    return np.fft.fftshift(frequency_hz), np.fft.fftshift(power)


WAVEFORMS = {
    "bpsk": lambda: PulseTrain(signs(6000), 20e3),
    "noise": lambda: PulseTrain((random().standard_normal((2, 6000)).T @ [1, 1j]) / np.sqrt(2), 20e3),
    "o-qpsk": lambda: OffsetQpsk(signs(6000), 20e3),
    "chirps": lambda: LoraChirps(random().integers(0, 128, 400), 50e3, 128 / 50e3),
    "fsk": lambda: GaussianFsk(signs(3000), 22e3, 8e3),
    "ook": lambda: OnOffPulses(random().random(3000) < 0.5, random().uniform(0, 6.28, 3000), 1e-4),
    "tone": lambda: WanderingTone(100.0, 60.0),
}


@pytest.mark.parametrize("name", WAVEFORMS)
class TestEveryWaveform:
    def test_has_a_mean_power_of_one(self, name):
        power = np.abs(WAVEFORMS[name]().at(times(0.25))) ** 2
        assert power.mean() == pytest.approx(1, rel=0.04 if name == "noise" else 0.02)
        if name in ("chirps", "fsk", "tone", "o-qpsk"):
            assert np.ptp(power[20:]) < 1e-9

    def test_an_analyser_reads_in_its_strongest_bin_what_it_says(self, name):
        frequency_hz, power = spectrum(WAVEFORMS[name]().at(times(0.25)))
        # A hump's flat top, as a single bin of so short a spectrum scatters.
        near = np.abs(frequency_hz) < {"tone": 1, "fsk": 30e3, "chirps": 15e3}.get(name, 2e3)
        level = power[near].max() if name in ("tone", "fsk") else power[near].mean()
        said = WAVEFORMS[name]().reading(RATE_HZ / 1024)
        assert 10 * np.log10(level / said) == pytest.approx(0, abs=1.2 if name == "fsk" else 0.5)

    def test_its_value_at_a_time_depends_on_nothing_else(self, name):
        seconds = times(0.02)
        whole, pieces = WAVEFORMS[name]().at(seconds), WAVEFORMS[name]()
        apart = np.concatenate([pieces.at(seconds[1234:]), pieces.at(seconds[:1234])])
        assert np.array_equal(np.roll(apart, 1234), whole)


def test_matched_filter_gives_back_the_signs_of_bpsk():
    sent = signs(400)
    seconds = np.arange(400 * 32) / 32 / 20e3
    wave = PulseTrain(sent, 20e3).at(seconds)
    x = np.arange(-192, 193) / 32
    pulse = 4 / np.pi * np.cos(2 * np.pi * x) / (1 - 16 * x**2 + 1e-12)
    pulse[np.abs(np.abs(x) - 0.25) < 1e-9] = 1.0  # its limit there
    received = np.convolve(wave, pulse, "same")[::32] / 32
    assert received[8:-8] == pytest.approx(sent[8:-8], abs=0.02)


def test_bpsk_fills_the_raised_cosine_and_nothing_beyond():
    frequency_hz, power = spectrum(PulseTrain(signs(40_000), 20e3).at(times(1.9)))
    raised_cosine = np.where(np.abs(frequency_hz) < 20e3, 0.5 + 0.5 * np.cos(np.pi * frequency_hz / 20e3), 0)
    inside = raised_cosine > 0.1
    shape, expected = power[inside] / power[inside].sum(), raised_cosine[inside] / raised_cosine[inside].sum()
    assert shape == pytest.approx(expected, rel=0.4)
    assert np.median(np.abs(shape / expected - 1)) < 0.06
    assert power[np.abs(frequency_hz) > 21e3].max() < 1e-4 * power.max()


def test_half_sine_chips_come_out_where_their_pulses_stand_on_top():
    sent = signs(1000)
    wave = OffsetQpsk(sent, 20e3)
    # Chip n's pulse begins with chip n's time and is at its top one chip later.
    tops = wave.at((np.arange(1000) + 1) / 20e3 - 1e-12)
    assert tops.real[0:998:2] == pytest.approx(sent[0:998:2], abs=1e-6)
    assert tops.imag[1:998:2] == pytest.approx(sent[1:998:2], abs=1e-6)


def test_half_sine_chips_have_the_spectrum_of_minimum_shift_keying():
    frequency_hz, power = spectrum(OffsetQpsk(signs(40_000), 20e3).at(times(1.9)))
    x = frequency_hz / 20e3
    closed = np.cos(2 * np.pi * x) ** 2 / (1 - 16 * x**2) ** 2
    main = (np.abs(x) < 0.6) & (np.abs(np.abs(x) - 0.25) > 0.01)
    ratio = power[main] / power[main].sum() / (closed[main] / closed[main].sum())
    assert np.median(np.abs(10 * np.log10(ratio))) < 0.4
    assert power[np.abs(np.abs(x) - 0.75) < 0.01].max() < 0.003 * power.max()


def test_dechirping_gives_back_the_symbols():
    factor, width_hz = 7, 25e3
    count = 2**factor
    sent = random().integers(0, count, 40)
    wave = LoraChirps(sent, width_hz, count / width_hz)
    # At one sample a chip, as a LoRa receiver looks.
    samples = np.arange(52 * count + count // 4 + 0) / width_hz
    received = wave.at(samples[: 52 * count + count // 4])
    within = np.arange(count) / count
    upward = np.exp(2j * np.pi * count * (within**2 / 2 - within / 2))
    preamble = received[: 10 * count].reshape(10, count) * upward.conj()
    assert (np.abs(np.fft.fft(preamble, axis=1)).argmax(1) == 0).all()
    down = received[10 * count : 12 * count].reshape(2, count) * upward
    assert (np.abs(np.fft.fft(down, axis=1)).argmax(1) == 0).all()
    data = received[12 * count + count // 4 :].reshape(40, count) * upward.conj()
    assert (np.abs(np.fft.fft(data, axis=1)).argmax(1) == sent).all()


def test_a_discriminator_gives_back_the_bits_of_fsk_at_their_deviation():
    sent = signs(500)
    wave = GaussianFsk(sent, 5e3, 2e3).at(times(0.25))
    heard_hz = np.angle(wave[1:] * wave[:-1].conj()) / 2 / np.pi * RATE_HZ
    middles = heard_hz[50::100][:500]  # 100 samples a bit
    assert np.array_equal(np.sign(middles), sent)
    settled = (sent[1:-1] == sent[:-2]) & (sent[1:-1] == sent[2:])
    assert np.abs(middles[1:-1][settled]) == pytest.approx(5e3, rel=0.002)
    assert np.abs(heard_hz).max() < 5.01e3


def test_the_envelope_of_on_off_keying_shows_its_bits():
    late = random().random(200) < 0.5
    envelope = np.abs(OnOffPulses(late, np.zeros(200), 5e-4).at(times(0.2)))
    halves = envelope.reshape(200, 2, 100).max(2)
    assert np.array_equal(halves.argmax(1) == 1, late)
    assert (halves.min(1) == 0).all()


def test_a_tone_swings_as_it_is_painted():
    wave = WanderingTone(400.0, 10.0)
    for at_seconds, expected_hz in [(0.0, 0.0), (2.5, 400.0), (5.0, 0.0), (7.5, -400.0)]:
        pair = wave.at(np.array([at_seconds, at_seconds + 1e-5]))
        assert np.angle(pair[1] / pair[0]) / 2 / np.pi * 1e5 == pytest.approx(expected_hz, abs=1)
