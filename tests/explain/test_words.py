"""Sentences of clusters whose truth is known, and of windows that are anything at all."""

import math
import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.explain.amounts import amount, between, exactly, frequencies, frequency, percent
from bandwatch.explain.plain_names import PLAIN_NAMES
from bandwatch.explain.typical import CENTRE_HZ, INTERVAL_SECONDS, measured_windows, typical_windows
from bandwatch.explain.words import cluster_words, window_words
from bandwatch.models.geometry import Geometry
from bandwatch.models.training_windows import cut_windows
from bandwatch.models.window_features import FEATURES, window_features
from bandwatch.pipeline.arrivals import Periodic
from bandwatch.pipeline.emitters import Carrier, FskTelemetry, SpreadFrames, WidebandInterference
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

HOUR_NS = 3600 * 10**9
COLUMN = {feature.name: column for column, feature in enumerate(FEATURES)}
ONE = {"bins": 187.5, "rows": 0.2, "bins/row": 187.5 / 0.2, "dB": 1, "ratio": 1, "count": 1}


def geometry(bins):
    first_hz = 868.296e6 - (bins - 1) / 2 * 187.5
    segments = bins // 128
    return Geometry(
        node="n", band="b", unit="dBFS/bin", bins=bins, first_hz=first_hz, bin_hz=187.5, segments=segments
    )


def heard(*emitters, count=16, bins=256):
    """Windows of a band where only these transmit; cluster 1 shows something, cluster 0 nothing."""
    scene = replace(Scene(), bins=bins, emitters=emitters, dc_line_db=0.0, roll_off_db=0.0)
    windows = list(islice(cut_windows(Simulator(3, scene=scene).frames(), 128), count))
    features = window_features(np.stack([window.values for window in windows]))
    segments, starts = ([getattr(window, name) for window in windows] for name in ("segment", "start_ns"))
    clusters = (features[:, COLUMN["occupied_ratio"]] > 0).astype(int)
    return measured_windows(features, clusters, segments, starts, geometry(bins), 0.2)


def told(measured, cluster=1):
    return cluster_words(typical_windows(measured)[cluster])


def fact(words, measure):
    return next(each.value for each in words.facts if each.measure == measure)


def test_a_telemetry_is_told_by_its_period_width_place_and_level():
    meter = FskTelemetry(Periodic(12.0, 0.5, 3.0), 868.286e6, 2.6e3, 2.2e3, (0.35, 0.45), (19.0, 19.0))
    words = told(heard(meter))
    assert words.sentence.startswith("Short bursts")
    assert "about every 12 s" in words.sentence
    assert "near 868.286" in words.sentence
    # Two tones of 2.2 kHz with 1.5 bins of smear; 0.35 s and more touch two rows or three.
    assert "several at once, each 2.5 kHz wide, 4.9 kHz together" in words.sentence
    assert "lasting at most 600 ms" in words.sentence
    assert fact(words, INTERVAL_SECONDS) == pytest.approx(12, abs=0.5)
    # The strongest bin of a filled row has 19 dB; noise of 19 spectra lifts the strongest pixel.
    assert fact(words, "peak_db") == pytest.approx(21, abs=2)
    assert 12 < fact(words, "main_level_db") < 19


def test_a_carrier_is_steady_and_longer_than_the_window():
    steady = Carrier(Periodic(1e6), 868.286e6, 300.0, 1.0, 700.0, (1e6, 1e6), (8.0, 8.0))
    words = told(heard(steady))
    assert words.sentence.startswith("A steady carrier")
    assert "longer than the window (26 s)" in words.sentence
    assert "800 Hz wide" in words.sentence
    assert fact(words, CENTRE_HZ) == pytest.approx(868.286e6, abs=187.5)
    assert fact(words, "main_level_db") == pytest.approx(8, abs=1)
    assert "every" not in words.sentence


def test_stripes_across_a_carrier_do_not_make_it_wider():
    steady = Carrier(Periodic(1e6), 868.286e6, 300.0, 1.0, 700.0, (1e6, 1e6), (8.0, 8.0))
    frames = SpreadFrames(Periodic(12.0, 0.0, 3.0), 868.3e6, 300e3, (0.4, 0.4), (12.0, 12.0))
    measured = heard(steady, frames)
    carried = measured.features[:, COLUMN["full_bins_ratio"]] > 0
    words = told(replace(measured, clusters=carried.astype(int)))
    assert words.sentence.startswith("A steady carrier")
    assert fact(words, "bandwidth_bins") <= 8 * 187.5
    assert "1.3 kHz wide" in words.sentence
    # The stripes weigh in the centre: no finer than their width allows.
    assert "near 868.285 MHz" in words.sentence


def test_a_stripe_is_wider_than_the_window():
    frames = SpreadFrames(Periodic(26.0, 0.0, 3.0), 868.3e6, 300e3, (0.4, 0.4), (12.0, 12.0))
    words = told(heard(frames, count=8))
    assert words.sentence.startswith("A stripe across the whole window")
    assert "wider than its 24 kHz" in words.sentence
    assert "one in 26 s" in words.sentence
    assert fact(words, "main_level_db") == pytest.approx(12, abs=1.5)


def test_interference_of_many_lengths_has_both_ends_said():
    hum = WidebandInterference(
        Periodic(25.6, 6.0, 2.0), (868.28e6, 868.29e6), (3e3, 9e3), (1.0, 9.0), 0.4, 1.0, (10.0, 12.0)
    )
    words = told(heard(hum, count=32))
    low, high = (
        float(each) for each in re.search(r"lasting between ([\d.]+) and ([\d.]+) s", words.sentence).groups()
    )
    assert 0.8 <= low <= 4
    assert 6 <= high <= 9.4


def test_quiet_is_called_quiet():
    measured = heard(count=8)
    words = told(measured, 0)
    assert words.sentence == "Quiet: nothing stands out of the noise; 100 % of the band's windows."
    assert words.distinction == ""
    one = replace(
        measured,
        features=measured.features[:1],
        clusters=measured.clusters[:1],
        segments=measured.segments[:1],
        start_ns=measured.start_ns[:1],
    )
    why = window_words(one, typical_windows(measured)[0], novelty=0.5)
    assert why.seen == "Seen: quiet: nothing stands out of the noise."
    assert "As a whole it is usual: 50 % of usual windows" in why.usual


def drawn_features(count, **columns):
    """Windows with a burst each that measure alike, but for what is given."""
    usual = {
        "occupied_ratio": 0.01,
        "burst_count": 1,
        "longest_burst_rows": 10,
        "median_burst_rows": 10,
        "duty_ratio": 0.08,
        "bandwidth_bins": 16,
        "widest_bins": 16,
        "patch_width_bins": 16,
        "patch_length_rows": 10,
        "main_level_db": 12,
        "peak_db": 14,
    }
    features = np.zeros((count, len(FEATURES)), np.float32)
    for name, value in (usual | columns).items():
        features[:, COLUMN[name]] = value
    return features


def test_what_sets_a_cluster_apart_goes_first():
    rest = drawn_features(60)
    rest[:, COLUMN["main_level_db"]] = 12 + np.linspace(-1, 1, 60)
    wide = {"bandwidth_bins": 100, "patch_width_bins": 100, "widest_bins": 100}
    strong = {"main_level_db": 30, "peak_db": 32}
    for changed, first, apart in (
        (wide, "A burst, 19 kHz wide", "bandwidth 19 kHz, elsewhere 3 kHz"),
        (strong, "A burst, 30 dB above the floor", "strongest point 32 dB, elsewhere 14 dB"),
    ):
        features = np.concatenate([rest, drawn_features(20, **changed)])
        clusters = [0] * 60 + [3] * 20
        measured = measured_windows(features, clusters, [0] * 80, np.arange(80), geometry(128), 0.2)
        words = told(measured, 3)
        assert words.sentence.startswith(first)
        assert apart in words.distinction
        assert "25 % of the band's windows" in words.sentence


@pytest.mark.parametrize(("hours", "said"), [((13, 14, 15), True), (range(24), False)])
def test_the_time_of_day_is_told_where_all_of_it_was_heard(hours, said):
    starts = np.repeat(np.arange(24), 12) * HOUR_NS
    hour = starts // HOUR_NS
    clusters = np.isin(hour, list(hours)).astype(int)
    measured = measured_windows(drawn_features(288), clusters, [0] * 288, starts, geometry(128), 0.2)
    assert ("seen mostly in the afternoon (UTC)" in told(measured).sentence) == said
    # The same windows, but nothing else was ever heard: no claim.
    only = clusters == 1
    part = measured_windows(
        drawn_features(only.sum()), clusters[only], [0] * only.sum(), starts[only], geometry(128), 0.2
    )
    if len(list(hours)) < 24:
        assert "mostly" not in told(part).sentence


def test_a_windows_words_name_what_is_unusual_and_its_path():
    features = drawn_features(100)
    features[:, COLUMN["main_level_db"]] = np.linspace(10, 14, 100)
    measured = measured_windows(features, [7] * 100, [0] * 100, np.arange(100), geometry(128), 0.2)
    strong = measured_windows(drawn_features(1, main_level_db=31), [7], [0], [0], geometry(128), 0.2)
    why = window_words(
        strong, typical_windows(measured)[7], novelty=0.97, paths=["number of bursts at most 1 (here 1)"]
    )
    assert "It is cluster 7 because number of bursts at most 1 (here 1)." in why.text
    assert "1 of its 35 measures lies outside" in why.text
    assert "level of the strongest signal 31 dB (usually between 10 and 14 dB)" in why.text
    assert "only 3 % of usual windows are as far from typical" in why.text
    same = replace(strong, features=features[50:51])
    assert (
        "All its 35 measures are usual in cluster 7." in window_words(same, typical_windows(measured)[7]).text
    )


def numbers(text):
    """Numbers in a text, those in the names of measures left out."""
    for name in PLAIN_NAMES.values():
        text = text.replace(name, "")
    return [float(each.replace("−", "-")) for each in re.findall(r"−?\d+(?:\.\d+)?", text)]


def quantile(measured, chosen, name, q):
    """A measure's quantile by hand, in Hz, s, dB or as a ratio."""
    values = measured.features[chosen].astype(float)
    if name == CENTRE_HZ:
        of = measured.middles_hz[measured.segments[chosen]] + values[:, COLUMN["centre_bins"]] * 187.5
    elif name == INTERVAL_SECONDS:
        two = values[:, COLUMN["burst_count"]] >= 2
        of = (values[two, COLUMN["median_pause_rows"]] + values[two, COLUMN["median_burst_rows"]]) * 0.2
    else:
        of = values[:, COLUMN[name]] * ONE[FEATURES[COLUMN[name]].unit]
    return np.quantile(of, q)


# Boxes of level at random places: rows from and to, bins from and to, dB.
BOXES = st.lists(
    st.tuples(
        st.integers(0, 127), st.integers(1, 128), st.integers(0, 127), st.integers(1, 128), st.integers(4, 30)
    ),
    max_size=4,
)


@settings(max_examples=15, deadline=None)
@given(st.lists(BOXES, min_size=1, max_size=4), st.integers(0, 2**31), st.floats(0, 1))
def test_whatever_windows_show_every_number_told_was_measured(boxes, seed, novelty):
    random = np.random.default_rng(seed)
    levels = random.normal(0, random.uniform(0, 3), (len(boxes), 128, 128))
    for level, drawn in zip(levels, boxes, strict=True):
        for row, rows, first, bins, power_db in drawn:
            level[row : row + rows, first : first + bins] += power_db
    features = window_features(np.clip((levels + 5) / 40, 0, 1).astype(np.float32))
    count = len(boxes)
    clusters, segments = random.integers(0, 2, count), random.integers(0, 2, count)
    measured = measured_windows(
        features, clusters, segments, random.integers(0, 48, count) * HOUR_NS, geometry(256), 0.2
    )
    shows = features[:, COLUMN["occupied_ratio"]] > 0
    for cluster, typical in typical_windows(measured).items():
        words = cluster_words(typical)
        first = np.flatnonzero(clusters == cluster)[:1]
        one = measured_windows(
            features[first], [cluster], segments[first], measured.start_ns[first], geometry(256), 0.2
        )
        why = window_words(one, typical, novelty=novelty)
        for text, facts in ((f"{words.sentence} {words.distinction}", words.facts), (why.text, why.facts)):
            assert "nan" not in text and "inf" not in text
            said = {number for each in facts for number in numbers(each.text)}
            assert set(numbers(text)) <= said
        own = np.flatnonzero(clusters == cluster)
        for each in words.facts:
            if each.quantile is None or each.measure == "mean_db":
                continue
            candidates = [
                quantile(measured, chosen, each.measure, each.quantile)
                for chosen in (own, own[shows[own]])
                if len(chosen)
            ]
            assert any(
                abs(abs(found) - abs(each.value)) <= 1e-6 * max(1, abs(found)) for found in candidates
            ), each


def test_numbers_read_as_people_write_them():
    assert amount(0.1834, "s") == "180 ms"
    assert amount(0.1834, "s", 0.1) == "200 ms"
    assert amount(5437.0, "Hz", 187.5) == "5.4 kHz"
    assert amount(999.7, "Hz") == "1 kHz"
    assert amount(300.0, "s") == "5 min"
    assert amount(120_000.0, "s") == "33 h"  # rounded as hours, not as seconds
    assert amount(-1.2, "dB") == "−1 dB"
    assert amount(0.0, "Hz") == "0 Hz"
    assert between(0.2, 1.0, "s") == "between 200 ms and 1 s"
    assert between(4.0, 9.0, "dB") == "between 4 and 9 dB"
    assert between(4.1, 4.2, "dB") == "4 dB"
    assert [percent(each) for each in (0, 0.0001, 0.004, 0.34, 0.9999, 1)] == [
        "0 %", "less than 0.1 %", "0.4 %", "34 %", "more than 99 %", "100 %",
    ]  # fmt: skip
    assert frequency(868.2163e6, 1e3) == "868.216 MHz"
    assert frequency(868.2163e6, 1e4) == "868.22 MHz"
    assert frequencies(868.2e6, 868.2241e6, 1e3) == "868.200–868.224 MHz"
    assert exactly(1.25, "s") == "1.25 s"
    assert exactly(0.0375, "ratio") == "3.75 %"


@given(st.floats(1e-9, 1e12), st.sampled_from(["Hz", "s", "Hz/s"]))
def test_an_amount_is_the_value_to_two_figures(value, unit):
    text = amount(value, unit)
    number, name = text.split(" ")
    scales = {"h": 3600, "min": 60, "ms": 1e-3, "µs": 1e-6, "GHz": 1e9, "MHz": 1e6, "kHz": 1e3}
    scale = scales.get(name.removesuffix("/s") if name != "s" else name, 1)
    assert math.isclose(float(number) * scale, value, rel_tol=0.051, abs_tol=1e-6)


def test_what_was_not_measured_is_refused():
    features = drawn_features(2)
    with pytest.raises(BadInput, match="1 clusters for 2 windows"):
        measured_windows(features, [0], [0, 0], [0, 0], geometry(128), 0.2)
    with pytest.raises(BadInput, match="segment 3, the band has 0 to 0"):
        measured_windows(features, [0, 0], [0, 3], [0, 0], geometry(128), 0.2)
    with pytest.raises(BadInput, match="NaN"):
        measured_windows(features * np.nan, [0, 0], [0, 0], [0, 0], geometry(128), 0.2)
    with pytest.raises(BadInput, match="there are none"):
        measured_windows(features[:0], [], [], [], geometry(128), 0.2)
    with pytest.raises(BadInput, match=r"shape \[2, 3\], needs \[n, 35\]"):
        measured_windows(features[:, :3], [0, 0], [0, 0], [0, 0], geometry(128), 0.2)
