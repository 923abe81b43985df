"""Conversion: what is written says what was read, or nothing is left behind."""

from __future__ import annotations

import dataclasses
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sigmf

from bandwatch.pipeline.conversion import convert
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import PsdFrame
from bandwatch.pipeline.readers.iq_reader import Annotation, Capture, IqFacts
from bandwatch.pipeline.readers.parquet import ParquetFrames
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.readers.sigmf_iq import open_sigmf
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.pipeline.sigmf_writer import write_sigmf
from bandwatch.tests.recorded import levels, real, write_recording


class ArrayIq:
    """IqReader of arrays, a channel each."""

    def __init__(self, facts: IqFacts, channels: list[np.ndarray]) -> None:
        self.facts = facts
        self._channels = channels

    def blocks(self, channel: int, first: int, samples: int, block_samples: int) -> Iterator[np.ndarray]:
        for at in range(first, first + samples, block_samples):
            yield self._channels[channel][at : min(at + block_samples, first + samples)]


def sidecar(path: Path) -> Sidecar:
    return Sidecar(path.with_name("none.yaml"))


CAPTURES = (
    Capture(0, 600, 1_769_860_800_123_456_789, 433.92e6 + 0.1),
    Capture(
        600, 300, 1_769_860_800_723_556_789, 433.92e6 + 0.1
    ),  # 100 microseconds lost: 1/10 of a sample clock
    Capture(900, 100, 1_769_860_809_000_000_001, 868e6),
)
ANNOTATIONS = (
    Annotation(0, None, "a"),
    Annotation(10, 20, "a text that is much too long to be a label", 1.5, 2.5),
    Annotation(950, 7, ""),
)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "<c8"])
def test_sigmf_comes_back_sample_for_sample(tmp_path, dtype, channels):
    rng = np.random.default_rng(3)
    raw = [rng.bytes(8 * 1000) for _ in range(channels)]
    kept = [np.frombuffer(each, dtype) for each in raw]
    kept = [each[:1000] if dtype == "<c8" else each[:2000].reshape(1000, 2) for each in kept]
    rate_hz = 1e5 / 3
    captures = tuple(
        dataclasses.replace(each, time_ns=CAPTURES[0].time_ns + round(each.first / rate_hz * 1e9) + lost)
        for each, lost in zip(CAPTURES, (0, 90_000, 10**10), strict=True)
    )
    facts = IqFacts("test", "x", rate_hz, channels, captures, gain_db=12.5, annotations=ANNOTATIONS)
    write_sigmf(ArrayIq(facts, kept), tmp_path / "x.sigmf-meta", node="attic", band="srd")

    found = open_sigmf(tmp_path / "x.sigmf-data", sidecar(tmp_path / "x"), Opening())
    assert found.facts.captures == captures
    assert found.facts.annotations == ANNOTATIONS
    assert (found.facts.sample_rate_hz, found.facts.channels, found.facts.gain_db) == (
        rate_hz,
        channels,
        12.5,
    )
    assert (found.facts.node, found.facts.band, found.facts.problems) == ("attic", "srd", ())
    for channel, expected in enumerate(kept):
        samples = np.concatenate(list(found.blocks(channel, 0, 1000, 64)))
        assert samples.dtype == expected.dtype
        assert samples.tobytes() == expected.tobytes()
    # The library checks the hash when it opens a pair.
    theirs = sigmf.fromfile(str(tmp_path / "x.sigmf-meta"))
    theirs.validate()
    assert theirs.sample_count == 1000


def test_rows_become_the_same_rows(tmp_path):
    times = 1_769_860_800 + np.arange(500) * 0.5 + (np.arange(500) > 200) * 60.0
    values = levels(500, 33)
    values[3, 4] = np.nan
    recording = open_recording(write_recording(tmp_path / "week.h5", values, times=times, dataset="power"))
    heard: list[float] = []
    written = convert(recording, tmp_path / "week.parquet", on_progress=heard.append)
    assert (written.count, written.what) == (500, "rows")
    assert written.bytes == (tmp_path / "week.parquet").stat().st_size
    path = tmp_path / "week.parquet"
    again = ParquetFrames(path, sidecar(path)).frames(
        Identity(recording.node, recording.band, recording.stream), 100, None
    )
    for found, expected in zip(again, recording, strict=True):
        for each in dataclasses.fields(expected):
            if each.name == "power_db":
                assert isinstance(found, PsdFrame)
                assert found.power_db.tobytes() == expected.power_db.tobytes()
            else:
                assert getattr(found, each.name) == getattr(expected, each.name)


def test_what_cannot_be_converted_is_refused_before_anything_is_written(tmp_path):
    path = write_recording(tmp_path / "week.npy", levels())
    recording = open_recording(path)
    for out, words in (
        (tmp_path / "week.sigmf-meta", "SigMF holds IQ samples"),
        (tmp_path / "week.wav", "cannot be written as '.wav'; limit: .parquet"),
        (tmp_path / "no" / "week.parquet", "does not exist"),
    ):
        with pytest.raises(BadInput, match=words):
            convert(recording, out)
    (tmp_path / "old.parquet").write_text("precious")
    with pytest.raises(BadInput, match="exists already; --force replaces it"):
        convert(recording, tmp_path / "old.parquet")
    assert (tmp_path / "old.parquet").read_text() == "precious"
    convert(recording, tmp_path / "old.parquet", force=True)
    (tmp_path / "same.parquet").symlink_to(path)
    with pytest.raises(BadInput, match="is the recording to be read"):
        convert(recording, tmp_path / "same.parquet", force=True)
    assert {each.name for each in tmp_path.iterdir()} == {
        "week.npy", "week.npy.yaml", "old.parquet", "same.parquet",
    }  # fmt: skip


@pytest.mark.parametrize("out", ["big.parquet", "big.sigmf-meta"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, out):
    facts = IqFacts("test", "x", 1e6, 1, (Capture(0, 1_000_000, 0, 0.0),))
    iq = ArrayIq(facts, [np.random.default_rng(1).integers(-99, 99, (1_000_000, 2), np.int16)])
    recording = open_recording(write_recording(tmp_path / "big.npy", levels(1000, 1000)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(BadInput, match=r"big\..*: cannot be written: .*") as caught:
            if out.endswith("parquet"):
                convert(recording, tmp_path / out)
            else:
                write_sigmf(iq, tmp_path / out, node="a", band="b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(caught.value)
    assert {each.name for each in tmp_path.iterdir()} == {"big.npy", "big.npy.yaml"}


def test_the_sigmf_logo_keeps_its_annotations_and_channels(tmp_path):
    source = real("sigmf-logo") / "sigmf_logo.sigmf-meta"
    original = open_sigmf(source, sidecar(source), Opening())
    write_sigmf(original, tmp_path / "logo.sigmf-meta", node="n", band="b")
    copy = open_sigmf(tmp_path / "logo.sigmf-meta", sidecar(tmp_path / "x"), Opening())
    assert copy.facts.annotations == original.facts.annotations
    assert copy.facts.captures == original.facts.captures
    for channel in (0, 1):
        pair = zip(
            original.blocks(channel, 0, 288_000, 9999), copy.blocks(channel, 0, 288_000, 9999), strict=True
        )
        assert all(np.array_equal(first, second) for first, second in pair)
