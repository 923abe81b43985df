"""Frame <-> bytes: what goes in comes out; what cannot be believed is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import POWER_UNITS, Gap, GapReason, IqBlock, PsdFrame
from bandwatch.pipeline.wire import WIRE_REASONS, Heartbeat, WireError, decode, encode
from bandwatch.tests.jig import rows, same

FRAME = rows(1, bins=64)[0]
BLOCK = IqBlock(
    "node", "band", 7, 3, 1_800_000_000_000_000_000, 868e6, 192e3, np.arange(10).astype(np.complex64), 20.0, 5
)
HOLE = Gap("node", "band", 41, 3, None, "source", 1_800_000_000_000_000_000)
BEAT = Heartbeat("node", "band", 7, 41, ended=False)


def on_the_wire(item) -> list[bytes]:
    return [bytes(part) for part in encode(item)]


def with_header(item, **changes) -> list[bytes]:
    """A message whose header says something else; a value of None-like `...` leaves the key out."""
    topic, header, payload = on_the_wire(item)
    fields = msgspec.msgpack.decode(header) | changes
    return [
        topic,
        msgspec.msgpack.encode({key: value for key, value in fields.items() if value is not ...}),
        payload,
    ]


def reason_and_text(parts) -> tuple[str, str]:
    with pytest.raises(WireError) as caught:
        decode(parts)
    assert isinstance(caught.value, BadInput)
    assert caught.value.reason in WIRE_REASONS
    assert "\n" not in str(caught.value)
    return caught.value.reason, str(caught.value)


names = st.text("abcXYZ019._-", min_size=1, max_size=64).filter(lambda name: name[0] != ".")
counts = st.integers(0, 2**62 - 1)
gains = st.none() | st.floats(-1000, 1000)
common = {
    "node": names,
    "band": names,
    "stream": st.integers(0, 2**64 - 1),
    "seq": counts,
    "time_ns": counts,
    "center_hz": st.floats(-1e13, 1e13),
    "gain_db": gains,
    "lost_samples": counts,
}
any_floats = st.lists(st.floats(width=32), min_size=2, max_size=50)
psd_frames = st.builds(
    PsdFrame,
    **common,
    duration_ns=st.integers(1, 2**62 - 1),
    bin_hz=st.floats(0, 1e12, exclude_min=True),
    power_db=any_floats.map(lambda values: np.array(values, np.float32)),
    unit=st.sampled_from(POWER_UNITS),
)
iq_blocks = st.builds(
    IqBlock,
    **common,
    sample_rate_hz=st.floats(0, 1e12, exclude_min=True),
    samples=any_floats.map(lambda values: np.array(values, np.complex64)),
)
heartbeats = st.builds(
    Heartbeat,
    node=names,
    band=names,
    stream=st.integers(0, 2**64 - 1),
    last_seq=st.integers(-1, 2**62 - 1),
    ended=st.booleans(),
    carries=st.sampled_from(["psd", "iq"]),
)


gaps = st.builds(
    Gap,
    node=names,
    band=names,
    after_seq=st.integers(-1, 2**62 - 1),
    lost_rows=st.none() | counts,
    lost_samples=st.none() | counts,
    reason=st.sampled_from(get_args(GapReason)),
    time_ns=counts,
)


@given(psd_frames | iq_blocks | heartbeats | gaps)
def test_every_field_of_every_item_comes_back(item):
    assert same(decode(on_the_wire(item)), item)


@settings(max_examples=400)
@given(
    st.sampled_from([FRAME, BLOCK, BEAT, HOLE]),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.tuples(st.integers(0, 2), st.integers(0, 300)),
)
def test_changed_and_cut_bytes_raise_nothing_but_a_wire_error(item, changes, cut):
    parts = [bytearray(part) for part in encode(item)]
    for part, position, value in changes:
        if parts[part]:
            parts[part][position % len(parts[part])] = value
    del parts[cut[0]][cut[1] :]
    try:
        decode(parts)
    except WireError as error:
        assert error.reason in WIRE_REASONS


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_rubbish_raises_nothing_but_a_wire_error(parts):
    with pytest.raises(WireError):
        decode(parts)


@given(st.binary(max_size=200))
def test_a_rubbish_header_raises_nothing_but_a_wire_error(header):
    with pytest.raises(WireError):
        decode([b"psd/node/band", header, b""])


def test_the_bytes_are_those_the_document_says():
    topic, header, payload = on_the_wire(FRAME)
    assert topic == b"psd/node/band"
    assert msgspec.msgpack.decode(header) == {
        "kind": "psd",
        "version": 1,
        "node": "node",
        "band": "band",
        "stream": 7,
        "seq": 0,
        "time_ns": 1_800_000_000_000_000_000,
        "duration_ns": 1_000_000_000,
        "center_hz": 868e6,
        "bin_hz": 187.5,
        "bins": 64,
        "unit": "dBm/bin",
        "gain_db": None,
        "lost_samples": 0,
    }
    assert payload == FRAME.power_db.astype("<f4").tobytes()
    topic, header, payload = on_the_wire(BLOCK)
    assert topic == b"iq/node/band"
    assert payload == BLOCK.samples.astype("<c8").tobytes()
    topic, header, payload = on_the_wire(replace(BEAT, carries="iq"))
    assert (topic, payload) == (b"iq/node/band", b"")
    assert msgspec.msgpack.decode(header) == {
        "kind": "heartbeat", "version": 1, "node": "node", "band": "band", "carries": "iq", "stream": 7,
        "last_seq": 41, "ended": False,
    }  # fmt: skip


def test_arrays_are_read_only_and_aligned_and_hold_just_their_own_bytes():
    for item, name in ((FRAME, "power_db"), (BLOCK, "samples")):
        parts = on_the_wire(item)
        array = getattr(decode(parts), name)
        assert not array.flags.writeable
        assert array.flags.aligned
        assert array.base is parts[2]

        larger = bytearray(b"x") + parts[2]
        array = getattr(decode([*parts[:2], memoryview(larger)[1:]]), name)
        larger[:] = bytes(len(larger))
        assert array.flags.aligned
        assert same(array, getattr(item, name)), "a buffer that changes later was not copied"


def test_a_row_with_nan_and_infinity_travels():
    power_db = np.array([np.nan, np.inf, -np.inf, 0], np.float32)
    assert same(decode(on_the_wire(replace(FRAME, power_db=power_db))).power_db, power_db)


def test_an_array_with_strides_travels_in_its_own_order():
    power_db = np.arange(20, dtype=np.float32)[::-2]
    assert decode(on_the_wire(replace(FRAME, power_db=power_db))).power_db.tolist() == power_db.tolist()


def test_numpy_numbers_in_a_frame_travel_as_plain_ones():
    frame = replace(
        FRAME, seq=np.int64(5), time_ns=np.int64(9), center_hz=np.float64(1e8), gain_db=np.float32(3)
    )
    back = decode(on_the_wire(frame))
    assert (back.seq, back.time_ns, back.center_hz, back.gain_db) == (5, 9, 1e8, 3.0)
    assert [type(value) for value in (back.seq, back.center_hz)] == [int, float]


def test_unknown_header_keys_are_passed_over():
    assert same(decode(with_header(FRAME, calibration={"date": "2026-01-01"})), FRAME)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_refused_whatever_else_it_says(version):
    text = f"message on psd/node/band: wire version {version}, this program reads 1"
    assert reason_and_text(with_header(FRAME, version=version)) == ("version", text)
    assert reason_and_text(with_header(FRAME, version=version, kind="spectrum", seq="x")) == ("version", text)
    assert reason_and_text(with_header(FRAME, version=version, unit=...)) == ("version", text)


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"kind": "window"}, "kind", "Invalid value 'window'"),
        ({"kind": ...}, "header", "missing required field `kind`"),
        ({"version": ...}, "header", "missing required field `version`"),
        ({"version": "1"}, "header", "Expected `int`, got `str` - at `$.version`"),
        ({"node": "other"}, "mismatch", "its header says node 'other', band 'band'"),
        ({"band": "b\nc"}, "mismatch", r"band 'b\nc'"),
        ({"seq": -1}, "header", "Expected `int` >= 0 - at `$.seq`"),
        ({"seq": 2**62}, "header", "- at `$.seq`"),
        ({"seq": 1.0}, "header", "Expected `int`, got `float`"),
        ({"seq": True}, "header", "Expected `int`, got `bool`"),
        ({"stream": -1}, "header", "- at `$.stream`"),
        ({"time_ns": -1}, "header", "- at `$.time_ns`"),
        ({"duration_ns": 0}, "header", "Expected `int` >= 1 - at `$.duration_ns`"),
        ({"center_hz": float("nan")}, "header", "- at `$.center_hz`"),
        ({"center_hz": float("inf")}, "header", "- at `$.center_hz`"),
        ({"center_hz": "868"}, "header", "Expected `float`, got `str`"),
        ({"bin_hz": 0.0}, "header", "Expected `float` > 0.0 - at `$.bin_hz`"),
        ({"bin_hz": -187.5}, "header", "- at `$.bin_hz`"),
        ({"bin_hz": float("nan")}, "header", "- at `$.bin_hz`"),
        ({"gain_db": float("-inf")}, "header", "- at `$.gain_db`"),
        ({"gain_db": float("nan")}, "header", "- at `$.gain_db`"),
        ({"lost_samples": -1}, "header", "- at `$.lost_samples`"),
        ({"unit": "dBm/Hz\n"}, "unit", r"Invalid enum value 'dBm/Hz\n'"),
        ({"bins": 1}, "bins", "Expected `int` >= 2"),
        ({"bins": 2**20 + 1}, "bins", "Expected `int` <= 1048576"),
        ({"bins": 63}, "payload", "payload of 256 bytes, its header says 252"),
        ({"more": "x" * 5000}, "header", "must be at most 4096"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused(changes, reason, text):
    found_reason, found_text = reason_and_text(with_header(FRAME, **changes))
    assert found_reason == reason
    assert found_text.startswith("message on psd/node/band: ")
    assert text in found_text


def test_an_iq_header_that_cannot_be_is_refused():
    assert reason_and_text(with_header(BLOCK, samples=0))[0] == "bins"
    assert reason_and_text(with_header(BLOCK, samples=2**22 + 1))[0] == "bins"
    assert reason_and_text(with_header(BLOCK, sample_rate_hz=0.0))[0] == "header"
    assert reason_and_text(with_header(BLOCK, samples=9))[0] == "payload"


def test_a_heartbeat_that_cannot_be_is_refused():
    topic, header, _ = on_the_wire(BEAT)
    text = "message on psd/node/band: payload of 4 bytes, must be empty"
    assert reason_and_text([topic, header, b"abcd"]) == ("payload", text)
    assert reason_and_text(with_header(BEAT, last_seq=-2))[0] == "header"
    assert reason_and_text(with_header(BEAT, ended=1))[0] == "header"


def test_a_gap_that_cannot_be_is_refused():
    topic, header, _ = on_the_wire(HOLE)
    assert reason_and_text([topic, header, b"abcd"])[0] == "payload"
    assert reason_and_text([b"iq/node/band", header, b""])[0] == "kind"
    assert reason_and_text(with_header(HOLE, reason="boredom"))[0] == "header"
    assert reason_and_text(with_header(HOLE, lost_rows=-1))[0] == "header"
    assert reason_and_text(with_header(HOLE, after_seq=-2))[0] == "header"


def test_a_header_under_the_topic_of_another_kind_is_refused():
    _, header, payload = on_the_wire(FRAME)
    text = "message on iq/node/band: its header is that of a stream of psd"
    assert reason_and_text([b"iq/node/band", header, payload]) == ("kind", text)
    assert reason_and_text([b"iq/node/band", *on_the_wire(BEAT)[1:]])[0] == "kind"
    assert reason_and_text([b"psd/node/band", *on_the_wire(BLOCK)[1:]])[0] == "kind"


@pytest.mark.parametrize(
    "topic",
    [
        b"", b"psd", b"psd/", b"psd/node", b"psd/node/", b"psd//band", b"psd/node/band/", b"psd/node/band\n",
        b"fft/node/band", b"psd/no de/band", b"psd/n\xc3\xb6de/band", b"psd/node/\xff", b"psd/../band",
        b"psd/node/.", b"psd/.node/band", b"psd/" + b"n" * 65 + b"/band", b"PSD/node/band", b"x" * 100_000,
    ],
)  # fmt: skip
def test_a_topic_that_is_none_is_refused(topic):
    reason, text = reason_and_text([topic, *on_the_wire(FRAME)[1:]])
    assert reason == "topic"
    assert text.startswith("topic ")
    assert len(text) < 700


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_a_message_of_other_than_three_parts_is_refused(count):
    text = f"message of {count} parts: must be 3, topic, header and payload"
    assert reason_and_text((on_the_wire(FRAME) * 2)[:count]) == ("parts", text)


def test_a_part_that_is_not_bytes_is_refused():
    text = "message part of type str: must be bytes"
    assert reason_and_text(["psd/node/band", b"", b""]) == ("parts", text)


def test_a_header_nested_without_end_is_refused():
    _, header, payload = on_the_wire(FRAME)
    deep = bytes([header[0] + 1]) + header[1:] + b"\xa1z" + b"\x91" * 3000 + b"\x01"
    assert header[0] & 0xF0 == 0x80
    assert reason_and_text([b"psd/node/band", deep, payload])[0] == "header"


@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({"power_db": np.zeros(64)}, "payload", r"array float64 \[64\], a row is float32 \[bins\]"),
        ({"power_db": np.zeros((2, 4), np.float32)}, "payload", r"array float32 \[2, 4\]"),
        ({"power_db": np.zeros(0, np.float32)}, "bins", "Expected `int` >= 2"),
        ({"power_db": np.zeros(1, np.float32)}, "bins", "Expected `int` >= 2"),
        ({"node": "a/b"}, "topic", "topic psd/a/b/band: must be psd/NODE/BAND"),
        ({"node": "\ud800"}, "topic", "must be psd/NODE/BAND"),
        ({"band": ".."}, "topic", "no '.' first"),
        ({"bin_hz": float("nan")}, "header", "bin_hz"),
        ({"seq": 2**70}, "header", "2\\*\\*64"),
        ({"seq": object()}, "header", "a object cannot travel"),
        ({"unit": "watts"}, "unit", "watts"),
    ],
)
def test_a_frame_that_nobody_would_believe_is_not_sent(changes, reason, text):
    with pytest.raises(WireError, match=text) as caught:
        encode(replace(FRAME, **changes))
    assert caught.value.reason == reason
