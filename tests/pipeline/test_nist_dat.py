"""NIST's `.dat`: every row as the sensor wrote it, cut and broken files told and survived."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers.nist_dat import FORMAT
from bandwatch.pipeline.readers.reader import Identity, Opening
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.jig import same
from bandwatch.tests.recorded import real

T = 1_432_171_042
SECOND = 1_000_000_000


def message(**fields) -> bytes:
    """A header as `json.dumps` and the sensors write it: its length, a carriage return, JSON."""
    text = json.dumps(
        {"Ver": "1.0.12", "SensorID": "E6R16W5XS", "SensorKey": "secret", "t": T, **fields}
    ).encode()
    return b"%d\r" % len(text) + text


def data(n: int = 4, *, tm: float = 1.0, td: float = -1, low: float = 700e6, high: float = 700.4e6, **fields):
    """The header of a `Data` message, of a stream unless `nM` says otherwise."""
    measured = {"fStart": low, "fStop": high, "n": n, "tm": tm, "td": td}
    said = {"Type": "Data", "nM": -1, "DataType": "Binary - int8", "Compression": "None", "mPar": measured}
    return message(**(said | fields))


def powers(rows: int, bins: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-100, -40, (rows, bins)).astype(np.int8)


def opened(path: Path, content: bytes | None = None, **sidecar):
    if content is not None:
        path.write_bytes(content)
    return FORMAT.open(path, Sidecar(path=path.with_name(path.name + ".yaml"), **sidecar), Opening())


def items(reader, chunk_rows: int = 3) -> list[PsdFrame | Gap]:
    return list(reader.frames(Identity("node", "band", 1), chunk_rows, None))


def frames(reader, chunk_rows: int = 3) -> list[PsdFrame]:
    return [item for item in items(reader, chunk_rows) if isinstance(item, PsdFrame)]


def test_the_real_stream_is_the_matrix_row_for_row():
    path = real("nist-lte-uplink/LTE_UL_bc17_ts1012_stream_peak1s.dat")
    truth = np.load(real("nist-lte-uplink/power_dbm_int8.npy"))
    reader = opened(path)
    found = frames(reader, 1000)
    np.testing.assert_array_equal([each.power_db for each in found], truth)
    assert [each.time_ns for each in found] == [(T + row) * SECOND for row in range(len(truth))]
    assert (reader.facts.first_hz, reader.facts.bin_hz, reader.facts.unit) == (704.06e6, 180e3, "dBm/bin")
    assert (reader.facts.node, reader.facts.step_ns, reader.facts.problems) == ("E6R16W5XS", SECOND, ())
    assert "secret" not in str(reader.facts)


@pytest.mark.parametrize(
    ("name", "order", "dtype"),
    [
        ("Binary - int8", "N/A", "i1"),
        ("Binary - int16", "N/A", "<i2"),
        ("Binary–int16", "Network", ">i2"),
        ("Binary - float32", "Little Endian", "<f4"),
        ("Binary-float32", "Big Endian", ">f4"),
    ],
)
def test_every_binary_type_and_byte_order(tmp_path, name, order, dtype):
    values = powers(7)
    content = data(DataType=name, ByteOrder=order) + values.astype(dtype).tobytes()
    np.testing.assert_array_equal(
        [each.power_db for each in frames(opened(tmp_path / "a.dat", content))], values
    )


def test_bursts_of_text_with_a_calibration_before_them(tmp_path):
    cal = {"nM": 2, "DataType": "Binary - float32", "mPar": {"n": 3}}
    content = message(Type="Sys", Cal=cal) + np.arange(6, dtype="<f4").tobytes()
    for burst in range(2):
        values = powers(5, seed=burst).astype(float)
        text = "[" + ", ".join(map(str, values.ravel())) + "]\r\n"
        content += data(nM=5, td=10.0, t=T + 10 * burst, DataType="ASCII") + text.encode()
    reader = opened(tmp_path / "a.dat", content)
    truth = np.concatenate([powers(5, seed=burst) for burst in range(2)])
    np.testing.assert_array_equal([each.power_db for each in items(reader)], truth)
    assert reader.facts.problems == ()
    assert reader.facts.step_ns == 2 * SECOND


def test_text_that_is_cut_keeps_its_whole_rows(tmp_path):
    cut = data(nM=3, td=3.0, DataType="ASCII") + b"[1,2,3,4,5,6,7,8,9,10,11,1"
    reader = opened(tmp_path / "a.dat", cut + data(nM=2, td=2.0, t=T + 3) + powers(2).tobytes())
    np.testing.assert_array_equal(
        [each.power_db for each in items(reader)], [[1, 2, 3, 4], [5, 6, 7, 8], *powers(2)]
    )
    assert reader.facts.problems[0] == "message at byte 0: 2 of 3 whole rows, then a part of one"


def test_bursts_with_a_pause_stand_apart(tmp_path):
    content = b"".join(
        data(nM=4, td=4.0, t=T + 60 * burst) + powers(4, seed=burst).tobytes() for burst in range(3)
    )
    found = items(opened(tmp_path / "a.dat", content))
    gaps = [each for each in found if isinstance(each, Gap)]
    assert [(gap.after_seq, gap.lost_rows, gap.reason) for gap in gaps] == [
        (3, 56, "source"),
        (7, 56, "source"),
    ]


def test_one_sweep_a_message_lasts_until_the_next(tmp_path):
    content = b"".join(
        data(nM=1, Ta=30.0, td=0.01, t=T + 30 * sweep) + powers(1, seed=sweep).tobytes() for sweep in range(4)
    )
    reader = opened(tmp_path / "a.dat", content)
    assert reader.facts.step_ns == 30 * SECOND
    assert not [each for each in items(reader) if isinstance(each, Gap)]


def test_a_sensor_that_connects_anew_in_the_middle_of_a_row(tmp_path):
    first, second = powers(6, seed=1), powers(5, seed=2)
    hello = message(Type="Loc", t=T + 20) + message(Type="Sys", t=T + 20)
    content = data() + first.tobytes() + b"\xb7\xb7" + hello + data(t=T + 20) + second.tobytes()
    reader = opened(tmp_path / "a.dat", content)
    np.testing.assert_array_equal([each.power_db for each in frames(reader)], np.concatenate([first, second]))
    gap = next(each for each in items(reader) if isinstance(each, Gap))
    assert (gap.after_seq, gap.lost_rows, gap.reason) == (5, 14, "source")
    assert reader.facts.problems == ("message at byte 0: 6 whole rows, then a part of one",)


def test_another_frequency_shows_and_another_width_is_left_out(tmp_path):
    content = data() + powers(6).tobytes()
    content += data(t=T + 6, low=800e6, high=800.4e6) + powers(2).tobytes()
    content += data(8, t=T + 8) + powers(1, 8).tobytes()
    content += data(t=T + 9) + powers(3).tobytes()
    reader = opened(tmp_path / "a.dat", content)
    found = items(reader)
    centers_hz = [each.center_hz for each in found if isinstance(each, PsdFrame)]
    assert centers_hz == [700.2e6] * 6 + [800.2e6] * 2 + [700.2e6] * 3
    gaps = [(each.after_seq, each.lost_rows, each.reason) for each in found if isinstance(each, Gap)]
    assert gaps == [(7, 1, "retuned")]
    assert reader.facts.problems == (
        "1 rows of 1 other widths of bins are left out",
        "retuned 2 times: no window spans one; the frequencies told are those of the start",
    )


def test_a_cut_tail_keeps_whole_rows(tmp_path):
    reader = opened(tmp_path / "a.dat", data(nM=10, td=10.0) + powers(10).tobytes()[:-6])
    np.testing.assert_array_equal([each.power_db for each in frames(reader)], powers(10)[:8])
    assert reader.facts.problems == ("message at byte 0: 8 of 10 whole rows, then a part of one",)


def test_what_is_no_message_is_told_and_passed_over(tmp_path):
    burst = [data(nM=3, td=3.0, t=T + 3 * k) + powers(3, seed=k).tobytes() for k in range(2)]
    reader = opened(tmp_path / "a.dat", burst[0] + b"no message at all" + burst[1])
    assert reader.facts.rows == 6
    assert reader.facts.problems == (f"byte {len(burst[0])}: 17 bytes are no message and left out",)


def test_the_sidecar_goes_before_the_file(tmp_path):
    content = data(tm="NaN") + powers(3).tobytes()
    said = {"start_ns": 5 * SECOND, "step_ns": SECOND // 2, "node": "roof", "unit": "dB", "band": "lte"}
    reader = opened(tmp_path / "a.dat", content, **said)
    assert [each.time_ns for each in frames(reader)] == [5 * SECOND, 5_500_000_000, 6 * SECOND]
    assert (reader.facts.node, reader.facts.band, reader.facts.unit) == ("roof", "lte", "dB")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (data(Compression="Zip") + b"\0" * 40, "Compression: 'Zip'; limit: None"),
        (data(DataType="Binary - int64") + b"\0" * 40, "DataType: 'Binary - int64'; limit: Binary - int8"),
        (data(10**9) + b"\0" * 40, "mPar.n: 1000000000; limit: 2 to 1048576"),
        (data(nM=10**15, td=1e15)[:-1], "holds no row of power"),
        (data(low=800e6) + b"\0" * 40, "mPar.fStart and fStop: 800000000.0 and 700400000.0; limit"),
        (data(t=4_611_686_000) + powers(100).tobytes(), "end after 2116-02-20, the limit"),
        (data(tm="NaN") + b"\0" * 40, "no time between rows (mPar.tm, mPar.td); write step_seconds"),
        (message(Type="Loc"), "holds no row of power: no Data message"),
        (b"", "holds no row of power: no Data message; limit: at least 1 row"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path, content, said):
    with pytest.raises(BadInput) as error:
        opened(tmp_path / "a.dat", content)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_how_much_is_read_at_a_time_changes_nothing(tmp_path):
    content = data() + powers(50).tobytes() + data(t=T + 70) + powers(9).tobytes()
    reader = opened(tmp_path / "a.dat", content)
    assert same(items(reader, 1), items(reader, 1000))


def test_a_file_that_became_shorter_is_told(tmp_path):
    reader = opened(tmp_path / "a.dat", data() + powers(50).tobytes())
    (tmp_path / "a.dat").write_bytes(data() + powers(20).tobytes())
    with pytest.raises(BadInput, match="20 rows, 50 when it was opened"):
        items(reader)


VALUES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2)
)
FIELDS = st.sampled_from(["nM", "t", "DataType", "mPar", "Compression", "OL", "Ta", "Type", "SensorID"])
WHOLE = [data(), data(nM=2, td=2.0), message(Type="Loc"), message(Type="Sys"), powers(3).tobytes()]
CHUNKS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(WHOLE),
    st.builds(lambda field, value: data(**{field: value}), FIELDS, VALUES),
)


@given(st.lists(CHUNKS, max_size=6), st.integers(0, 60))
def test_no_bytes_do_worse_than_bad_input(tmp_path_factory, chunks, cut):
    content = b"".join(chunks)
    path = tmp_path_factory.mktemp("fuzz") / "a.dat"
    try:
        reader = opened(path, content[: max(0, len(content) - cut)])
        found = frames(reader)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert len(found) == reader.facts.rows
        assert all(a.seq + 1 == b.seq for a, b in itertools.pairwise(found))


def test_values_as_text_take_no_more_room_than_a_few_times_their_characters(tmp_path):
    text = b"[" + b"-9," * 399_999 + b"-9]"
    tracemalloc.start()
    reader = opened(tmp_path / "a.dat", data(400, nM=1000, td=1000.0, DataType="ASCII") + text)
    found = frames(reader, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal([each.power_db for each in found], np.full((1000, 400), -9.0))
    assert peak < 15 * len(text)
