"""SigMF: what the `sigmf` library and hand-made metadata say is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import NS_PER_S
from bandwatch.pipeline.readers.iq_reader import Annotation, Capture
from bandwatch.pipeline.readers.reader import Opening
from bandwatch.pipeline.readers.sigmf_iq import SigmfIq, open_sigmf
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.recorded import real

NOON = "2026-01-31T12:00:00Z"
NOON_NS = int(np.datetime64("2026-01-31T12:00:00", "ns").astype(np.int64))


def write(folder: Path, data: bytes, captures: list[dict], datatype: str = "ci16_le", **said: Any) -> Path:
    """A recording with keys as given, `core:` added; annotations under their own name."""
    annotations = said.pop("annotations", [])
    about = {"datatype": datatype, "version": "1.2.0", "sample_rate": 1000, **said}
    prefixed = [
        [{f"core:{key}": value for key, value in each.items()} for each in group]
        for group in ([about], captures, annotations)
    ]
    meta = {"global": prefixed[0][0], "captures": prefixed[1], "annotations": prefixed[2]}
    (folder / "x.sigmf-meta").write_text(json.dumps(meta))
    (folder / "x.sigmf-data").write_bytes(data)
    return folder / "x.sigmf-meta"


def opened(path: Path, **sidecar: Any) -> SigmfIq:
    return open_sigmf(path, Sidecar(path.with_name("side.yaml"), **sidecar), Opening())


def samples_of(reader: SigmfIq, channel: int = 0, block: int = 7) -> np.ndarray:
    facts = reader.facts
    return np.concatenate(
        [
            each
            for capture in facts.captures
            for each in reader.blocks(channel, capture.first, capture.samples, block)
        ]
    )


def zeros(samples: int) -> bytes:
    return bytes(4 * samples)


@pytest.mark.parametrize("given_suffix", [".sigmf-meta", ".sigmf-data"])
@pytest.mark.parametrize(
    ("datatype", "dtype"), [("cu8", "u1"), ("ci8", "i1"), ("ci16_le", "<i2"), ("cf32_le", "<c8")]
)
def test_native_samples_come_as_they_stand_whichever_file_is_given(tmp_path, datatype, dtype, given_suffix):
    data = np.random.default_rng(1).bytes(8 * 50)
    path = write(tmp_path, data, [{"sample_start": 0}], datatype).with_suffix(given_suffix)
    found = samples_of(opened(path))
    assert found.dtype == np.dtype(dtype)
    assert found.tobytes() == data
    assert found.shape[1:] == (() if dtype == "<c8" else (2,))


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize(
    "kind", ["cf32", "cf64", "ci32", "ci16", "cu16", "rf32", "rf64", "ri16", "ri8", "ru8"]
)
def test_every_other_type_means_what_the_library_says(tmp_path, kind, order):
    if (kind, order) == ("cf32", "le") or (kind, order) == ("ci16", "le"):
        return  # native
    datatype = kind if kind[-1] == "8" else f"{kind}_{order}"
    number = np.dtype({"f": "f", "i": "i", "u": "u"}[kind[1]] + str(int(kind[2:]) // 8))
    number = number.newbyteorder(">" if order == "be" else "<")
    rng = np.random.default_rng(2)
    if kind[1] == "f":
        numbers = rng.uniform(-1, 1, 40).astype(number)
    else:
        limits = np.iinfo(number)
        numbers = rng.integers(
            limits.min, limits.max, 40, endpoint=True, dtype=number.newbyteorder("=")
        ).astype(number)
    path = write(tmp_path, numbers.tobytes(), [{"sample_start": 0}], datatype)
    expected = np.asarray(sigmf.fromfile(str(path)).read_samples())
    reader = opened(path)
    half_code = 0.5 / 2 ** (8 * number.itemsize - 1) if kind[1] == "u" else 0.0
    if kind[0] == "c" and half_code:
        half_code *= 1 + 1j
    np.testing.assert_allclose(samples_of(reader), expected + half_code, atol=1e-7)
    assert any("symmetric" in each for each in reader.facts.problems) == (kind[0] == "r")


def test_channels_are_told_apart(tmp_path):
    values = np.arange(2 * 3 * 20, dtype="<i2").reshape(20, 3, 2)
    reader = opened(write(tmp_path, values.tobytes(), [{"sample_start": 0}], num_channels=3))
    assert reader.facts.channels == 3
    for channel in range(3):
        np.testing.assert_array_equal(samples_of(reader, channel), values[:, channel])
    with pytest.raises(BadInput, match="channel 3; limit: 0 to 2"):
        list(reader.blocks(3, 0, 1, 1))


def test_captures_that_go_on_are_one_and_a_hole_a_retuning_or_lost_samples_begin_another(tmp_path):
    path = write(
        tmp_path,
        zeros(600),
        [
            {"sample_start": 0, "frequency": 1e6, "datetime": NOON},
            {"sample_start": 100, "frequency": 1e6, "datetime": "2026-01-31T12:00:00.1009Z"},  # 0.9 ms off
            {"sample_start": 200, "frequency": 1e6},
            {"sample_start": 300, "frequency": 1e6, "datetime": "2026-01-31T12:00:00.3020000005Z"},
            {"sample_start": 400, "frequency": 2e6, "global_index": 400},
            {"sample_start": 500, "frequency": 2e6, "global_index": 501},
        ],
    )
    facts = opened(path).facts
    ms = NS_PER_S // 1000
    assert facts.captures == (
        Capture(0, 300, NOON_NS, 1e6),
        Capture(300, 100, NOON_NS + 302 * ms + 1, 1e6),
        Capture(400, 100, NOON_NS + 402 * ms + 1, 2e6),
        Capture(500, 100, NOON_NS + 503 * ms + 1, 2e6),
    )
    assert facts.problems == ()


def test_headers_a_trailer_an_offset_and_a_named_dataset_are_stepped_over(tmp_path):
    values = np.arange(40, dtype="<i2").reshape(20, 2)
    data = b"HEAD" + values[:8].tobytes() + b"headhead" + values[8:].tobytes() + b"TAIL!"
    path = write(
        tmp_path,
        b"",
        [
            {"sample_start": 1000, "header_bytes": 4, "frequency": 1},
            {"sample_start": 1008, "header_bytes": 8, "frequency": 2},
        ],
        offset=1000,
        dataset="capture.bin",
        trailing_bytes=5,
    )
    (tmp_path / "capture.bin").write_bytes(data)
    reader = opened(path)
    assert [(each.first, each.samples) for each in reader.facts.captures] == [(0, 8), (8, 12)]
    np.testing.assert_array_equal(samples_of(reader), values)
    np.testing.assert_array_equal(np.concatenate(list(reader.blocks(0, 5, 10, 4))), values[5:15])


def test_what_is_missing_is_assumed_and_told_and_the_sidecar_fills_it(tmp_path):
    path = write(tmp_path, zeros(50) + b"xx", [{"sample_start": 0}, {"sample_start": 10}], sample_rate=None)
    with pytest.raises(BadInput, match=r"no core:sample_rate; write sample_rate_hz in .*side\.yaml"):
        opened(path)
    facts = opened(path, sample_rate_hz=10.0).facts
    assert facts.captures == (Capture(0, 50, 0, 0.0),)
    told = "\n".join(facts.problems)
    assert "1970" in told
    assert "relative to the carrier" in told
    assert "2 bytes left out" in told
    filled = opened(path, sample_rate_hz=10.0, center_hz=5e6, start_ns=NOON_NS).facts
    assert filled.captures == (Capture(0, 50, NOON_NS, 5e6),)
    assert len(filled.problems) == 1


def test_annotations_keep_their_words_and_edges(tmp_path):
    annotations = [
        {"sample_start": 9, "comment": "two\n words"},
        {
            "sample_start": 3,
            "sample_count": 4,
            "label": "burst",
            "freq_lower_edge": 1,
            "freq_upper_edge": 2.5,
        },
        {"sample_start": 4, "label": "a", "comment": "b", "freq_lower_edge": 1},
    ]
    path = write(tmp_path, zeros(50), [{"sample_start": 0}], annotations=annotations)
    assert opened(path).facts.annotations == (
        Annotation(3, 4, "burst", 1.0, 2.5),
        Annotation(4, None, "a: b"),
        Annotation(9, None, "two words"),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"captures": [{"sample_start": 9}, {"sample_start": 8}]},
            "capture 1: core:sample_start: 8, after one at 9",
        ),
        ({"captures": [{"sample_start": 50}]}, "no samples in x.sigmf-data, 200 bytes"),
        ({"captures": [{"sample_start": 0, "frequency": 2e13}]}, "core:frequency: 20000000000000.0; limit"),
        ({"captures": [{}]}, r"missing required field `core:sample_start` - at `\$\.captures\[0\]`"),
        ({"datatype": "ci64_le"}, "core:datatype: 'ci64_le'; limit"),
        ({"num_channels": 10**9}, "core:num_channels: 1000000000; limit: 1 to 4096"),
        ({"sample_rate": -1}, "core:sample_rate: -1; limit: above 0"),
        ({"sample_rate": 1e-300}, "limit: from 1970 to 2116"),
        (
            {"dataset": "../../etc/passwd"},
            "core:dataset: '../../etc/passwd'; limit: a file name without a folder",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, change, words):
    captures = change.pop("captures", [{"sample_start": 0}])
    path = write(tmp_path, zeros(50), captures, **change)
    with pytest.raises(BadInput, match=words) as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_an_archive_and_metadata_without_samples_are_refused(tmp_path):
    with pytest.raises(BadInput, match="SigMF archive; limit: the files in it"):
        opened(tmp_path / "x.sigmf")
    path = write(tmp_path, b"", [], metadata_only=True)
    path.with_suffix(".sigmf-data").unlink()
    with pytest.raises(BadInput, match="samples are missing .metadata only, it says."):
        opened(path)


def test_a_file_cut_after_opening_is_told(tmp_path):
    path = write(tmp_path, zeros(50), [{"sample_start": 0}])
    reader = opened(path)
    path.with_suffix(".sigmf-data").write_bytes(zeros(20))
    with pytest.raises(BadInput, match="truncated"):
        list(reader.blocks(0, 0, 50, 8))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = ("sample_start", "frequency", "datetime", "global_index", "header_bytes", "sample_count", "label")
GLOBALS = ("sample_rate", "num_channels", "offset", "dataset", "trailing_bytes", "extensions")


@settings(max_examples=150, deadline=None)
@given(
    captures=st.lists(
        st.dictionaries(st.sampled_from(KEYS), JSON | st.integers(0, 60), max_size=4), max_size=3
    ),
    said=st.dictionaries(st.sampled_from(GLOBALS), JSON | st.integers(0, 60), max_size=3),
)
def test_any_metadata_is_read_or_refused(tmp_path_factory, captures, said):
    path = write(tmp_path_factory.mktemp("any"), zeros(50), captures, annotations=captures, **said)
    try:
        reader = opened(path)
    except BadInput:
        return
    assert len(samples_of(reader)) == reader.facts.samples <= 50


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x.sigmf-meta"
    path.write_bytes(data)
    with pytest.raises(BadInput):
        opened(path)


def test_the_sigmf_logo_is_two_real_channels():
    path = real("sigmf-logo") / "sigmf_logo.sigmf-meta"
    reader = opened(path)
    raw = np.fromfile(path.with_suffix(".sigmf-data"), "<i2").reshape(-1, 2)
    for channel in (0, 1):
        found = samples_of(reader, channel, block=100_000)
        np.testing.assert_array_equal(found, (raw[:, channel] / 32768).astype(np.complex64))
    assert [each.text for each in reader.facts.annotations] == ["logo warmup", "logo spinup", "logo steady"]
