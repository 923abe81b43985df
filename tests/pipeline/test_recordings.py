"""Recordings open as what they are, whatever the read size, and wrong files are refused in one line."""

from __future__ import annotations

import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.formats import known_suffixes
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers.headerless_csv import LONGEST_LINE_BYTES
from bandwatch.pipeline.readers.npz import NpzMatrix
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.jig import SECOND, same
from bandwatch.tests.recorded import levels, real, write_recording, write_sidecar

SUFFIXES = [".npy", ".npz", ".h5", ".hdf5", ".csv"]
WITH_ROW_TIMES = [".npz", ".h5"]
START_NS = 1_769_860_800 * SECOND


def frames_of(path: Path) -> list[PsdFrame]:
    return [item for item in open_recording(path) if isinstance(item, PsdFrame)]


def power_of(path: Path) -> np.ndarray:
    return np.stack([frame.power_db for frame in frames_of(path)])


def refusal(path: Path) -> str:
    """The one line with which a file is refused, on opening or on the way through."""
    with pytest.raises(BadInput) as caught:
        list(open_recording(path))
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path.parent) + "/", "")


# What a recording is


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_become_frames_with_axes_and_exact_times(tmp_path: Path, suffix: str) -> None:
    values = levels(10, 4)
    recording = open_recording(write_recording(tmp_path / f"band{suffix}", values, step_seconds=0.1))
    assert (recording.rows, recording.bins, recording.step_ns) == (10, 4, SECOND // 10)
    assert (recording.start_ns, recording.end_ns) == (START_NS, START_NS + SECOND)
    assert (recording.unit, recording.first_hz, recording.bin_hz) == ("dBm/bin", 868e6, 1000.0)
    frames = [item for item in recording if isinstance(item, PsdFrame)]
    assert [frame.seq for frame in frames] == list(range(10))
    assert [frame.time_ns for frame in frames] == [START_NS + row * SECOND // 10 for row in range(10)]
    assert {frame.duration_ns for frame in frames} == {SECOND // 10}
    assert {(frame.node, frame.band, frame.stream) for frame in frames} == {
        ("recording", "band", recording.stream)
    }
    assert frames[0].center_hz == recording.center_hz == 868.0015e6
    assert frames[0].first_hz == 868e6
    assert frames[0].gain_db is None
    for frame, row in zip(frames, values, strict=True):
        assert frame.power_db.dtype == np.float32
        assert not frame.power_db.flags.writeable
        np.testing.assert_array_equal(frame.power_db, row)
    assert recording.finite_rows == 10
    assert recording.problems == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_read_size_changes_nothing(tmp_path: Path, suffix: str) -> None:
    values = levels(23, 5)
    values[7, 2] = np.nan
    recording = open_recording(write_recording(tmp_path / f"band{suffix}", values))
    whole = list(recording)
    problems = recording.problems
    for chunk_rows in (1, 2, 7, 22, 23, 1000):
        assert same(list(recording.frames(chunk_rows)), whole)
        assert (recording.problems, recording.finite_rows) == (problems, 22)


@pytest.mark.parametrize("suffix", WITH_ROW_TIMES)
def test_the_read_size_changes_no_gap(tmp_path: Path, suffix: str) -> None:
    times = 1.7e9 + np.cumsum([1, 1, 1, 9, 1, 0, 1, -3, 1, 1])
    recording = open_recording(write_recording(tmp_path / f"band{suffix}", levels(10), times=times))
    whole = list(recording)
    assert [item.reason for item in whole if isinstance(item, Gap)] == ["source", "clock", "clock"]
    for chunk_rows in (1, 3, 4, 10):
        assert same(list(recording.frames(chunk_rows)), whole)


@pytest.mark.parametrize("chunk_rows", [0, -1])
def test_a_read_size_below_one_row_is_refused(tmp_path: Path, chunk_rows: int) -> None:
    recording = open_recording(write_recording(tmp_path / "band.npy", levels()))
    with pytest.raises(BadInput, match=f"chunk_rows: {chunk_rows}; limit: at least 1"):
        recording.frames(chunk_rows)


@given(
    values=arrays.arrays(
        st.sampled_from([np.int8, np.uint16, np.int64, np.float16, ">f4", np.float64]),
        st.tuples(st.integers(1, 9), st.integers(2, 6)),
    ),
    fortran=st.booleans(),
    chunk_rows=st.integers(1, 10),
    suffix=st.sampled_from([".npy", ".npz", ".h5"]),
)
@settings(max_examples=60, deadline=None)
def test_any_number_type_and_memory_order_reads_as_numpy_casts_it(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, fortran: bool, chunk_rows: int, suffix: str
) -> None:
    values = np.asfortranarray(values) if fortran else values
    path = write_recording(tmp_path_factory.mktemp("any") / f"band{suffix}", values)
    items = list(open_recording(path).frames(chunk_rows))
    with np.errstate(over="ignore"):
        expected = values.astype(np.float32)
    read = np.stack([item.power_db for item in items if isinstance(item, PsdFrame)])
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("pass_bytes", [1, 100, 10**9])
def test_a_column_major_npz_reads_in_any_number_of_passes(tmp_path: Path, pass_bytes: int) -> None:
    values = np.asfortranarray(levels(50, 6))
    path = write_recording(tmp_path / "band.npz", values)
    matrix = NpzMatrix(path, "power", None, pass_bytes=pass_bytes)
    for chunk_rows in (1, 8, 50):
        blocks = [block.copy() for block in matrix.blocks(chunk_rows)]
        assert max(len(block) for block in blocks) <= chunk_rows
        np.testing.assert_array_equal(np.concatenate(blocks), values)


@pytest.mark.parametrize(("order", "limit_bytes"), [("C", 6e6), ("F", 24e6)])
def test_a_large_npz_is_never_held_in_memory(tmp_path: Path, order: str, limit_bytes: float) -> None:
    values = np.zeros((40_000, 512), dtype=np.float32)  # 82 MB, compressed to almost nothing
    path = write_recording(tmp_path / "band.npz", values.astype(np.float32, order=order))
    del values
    matrix = NpzMatrix(path, "power", None, pass_bytes=16_000_000)
    tracemalloc.start()
    try:
        count = sum(len(block) for block in matrix.blocks(256))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 40_000
    assert peak_bytes < limit_bytes


def test_names_come_from_the_caller_then_the_sidecar_then_the_file(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "left back (2).npy", levels())
    assert (open_recording(path).node, open_recording(path).band) == ("recording", "left-back-2-")
    write_sidecar(path, node="attic", band="srd")
    assert (open_recording(path).node, open_recording(path).band) == ("attic", "srd")
    named = open_recording(path, node="cellar", band="uhf")
    assert (named.node, named.band) == ("cellar", "uhf")
    with pytest.raises(BadInput, match=r"node: 'a b'; limit: 1 to 64 letters, digits, '\.', '_' and '-'"):
        open_recording(path, node="a b")


def test_a_stream_is_stable_and_tells_days_of_equal_name_and_size_apart(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / str(day)).mkdir()
        write_recording(tmp_path / f"{day}/band.npy", levels(seed=day), start=f"2026-01-0{day}T00:00:00Z")
    first = open_recording(tmp_path / "1/band.npy").stream
    assert open_recording(tmp_path / "1/band.npy").stream == first
    assert open_recording(tmp_path / "2/band.npy").stream != first
    shutil.copytree(tmp_path / "1", tmp_path / "moved")
    assert open_recording(tmp_path / "moved/band.npy").stream == first


# Row times


@pytest.mark.parametrize("suffix", WITH_ROW_TIMES)
def test_row_times_are_rounded_to_ns_and_the_duration_is_their_median_step(
    tmp_path: Path, suffix: str
) -> None:
    times = 1569911403.678383 + np.cumsum(np.random.default_rng(1).uniform(0.09, 0.12, 100))
    recording = open_recording(write_recording(tmp_path / f"band{suffix}", levels(100), times=times))
    items = list(recording)
    stamps_ns = [round(seconds * 1e9) for seconds in times.tolist()]
    assert [item.time_ns for item in items] == stamps_ns
    assert {item.duration_ns for item in items} == {round(np.median(np.diff(stamps_ns)))}
    assert (recording.start_ns, recording.end_ns) == (stamps_ns[0], stamps_ns[-1] + recording.step_ns)


def test_whole_seconds_are_exact(tmp_path: Path) -> None:
    times = np.arange(1_700_000_000, 1_700_000_010)
    frames = frames_of(write_recording(tmp_path / "band.npz", levels(10), times=times))
    assert [frame.time_ns for frame in frames] == [second * SECOND for second in times.tolist()]


def test_a_hole_is_a_gap_with_the_rows_it_cost(tmp_path: Path) -> None:
    times = [0, 1, 2, 4.4, 5.4, 8, 9, 20, 21, 22]  # 2.4 steps are jitter, 2.6 and 11 are holes
    path = write_recording(tmp_path / "band.npz", levels(10), times=1.7e9 + np.array(times))
    recording = open_recording(path)
    items = list(recording)
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(gap.after_seq, gap.lost_rows, gap.reason) for gap in gaps] == [
        (4, 2, "source"),
        (6, 10, "source"),
    ]
    assert gaps[1] == Gap("recording", "band", 6, 10, None, "source", 1_700_000_010 * SECOND)
    assert items.index(gaps[1]) == 8  # after rows 0 to 6 and the first gap
    assert [item.seq for item in items if isinstance(item, PsdFrame)] == list(range(10))
    assert recording.problems == [
        "row 5: 2.6 s after the row before, about 2 rows lost",
        "row 7: 11 s after the row before, about 10 rows lost",
    ]


def test_a_clock_that_goes_back_or_stands_is_a_gap_and_the_rows_go_on(tmp_path: Path) -> None:
    times = 1.7e9 + np.array([0, 1, 2, 3, 3, 4, 5, 2, 3, 4])
    recording = open_recording(write_recording(tmp_path / "band.npz", levels(10), times=times))
    items = list(recording)
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(gap.after_seq, gap.lost_rows, gap.reason) for gap in gaps] == [
        (3, None, "clock"),
        (6, None, "clock"),
    ]
    assert len(items) == 12
    assert recording.problems == ["row 4: the time of the row before again", "row 7: time goes back by 3 s"]
    assert (recording.start_ns, recording.end_ns) == (1_700_000_000 * SECOND, 1_700_000_006 * SECOND)


def test_a_list_of_breaks_stays_short(tmp_path: Path) -> None:
    steps = np.tile([1, 1, 1, 50], 30)
    recording = open_recording(
        write_recording(tmp_path / "band.npz", levels(120), times=1.7e9 + np.cumsum(steps))
    )
    assert sum(isinstance(item, Gap) for item in recording) == 30
    assert len(recording.problems) == 21
    assert recording.problems[-1] == "10 more breaks in the row times"


def test_a_lone_row_has_its_step_from_the_sidecar(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npz", levels(1), times=[1.7e9])
    assert refusal(path) == (
        "band.npz: time_unix 'times': one row time gives no step; write step_seconds in the sidecar"
    )
    write_sidecar(path, start=None, time_unix="times", step_seconds=0.2)
    assert [frame.duration_ns for frame in frames_of(path)] == [SECOND // 5]


@pytest.mark.parametrize("suffix", WITH_ROW_TIMES)
@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            [0.0, np.nan, 2.0],
            "time_unix 'times': row 1 is at nan; limit: seconds since 1970, below 4611686018",
        ),
        ([0.0, 1.0, np.inf], "time_unix 'times': row 2 is at inf; limit: seconds since 1970"),
        ([-1.0, 1.0, 2.0], "time_unix 'times': row 0 is at -1.0; limit: seconds since 1970"),
        ([1.7e12, 1.8e12, 1.9e12], "time_unix 'times': row 0 is at 1700000000000.0; limit: seconds"),
        (
            [3.0, 2.0, 1.0],
            "time_unix 'times': the median step is -1000000000 ns; limit: above 0, rows oldest",
        ),
        (np.float32([1, 2, 3]), "time_unix 'times': row times as float32; limit: float64 or integers"),
        ([True, False, True], "time_unix 'times': shape (3,) of type bool; limit: shape (3,), one number"),
        ([1.0, 2.0], "time_unix 'times': shape (2,) of type float64; limit: shape (3,), one number"),
        ([[1.0, 2.0, 3.0]], "time_unix 'times': shape (1, 3) of type float64; limit: shape (3,)"),
        ([1j, 2j, 3j], "time_unix 'times': shape (3,) of type complex128; limit: shape (3,)"),
    ],
)
def test_row_times_that_are_none_are_refused(
    tmp_path: Path, suffix: str, times: object, message: str
) -> None:
    said = refusal(write_recording(tmp_path / f"band{suffix}", levels(3), times=times))
    assert said.startswith(f"band{suffix}: {message}")


def test_row_times_of_another_length_say_both(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npz", levels(3), times=np.arange(5.0))
    assert refusal(path) == (
        "band.npz: time_unix 'times': shape (5,) of type float64; limit: shape (3,), one number a row"
    )


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_a_format_without_room_for_row_times_says_so(tmp_path: Path, suffix: str) -> None:
    path = write_recording(tmp_path / f"band{suffix}", levels(), time_unix="t")
    assert refusal(path).startswith(f"band{suffix}: time_unix: 't'; limit: .npz and .h5, a {suffix[1:]} file")


def test_rows_past_the_last_timestamp_are_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(10), step_seconds=1e9)
    assert refusal(path) == "band.npy: its 10 rows end after 2116-02-20, the limit"


# Rows that hold no numbers


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_broken_rows_are_passed_on_and_named(tmp_path: Path, suffix: str) -> None:
    values = levels(20)
    values[5:10, 1] = np.nan
    values[12] = np.inf
    values[15, 0] = -np.inf
    recording = open_recording(write_recording(tmp_path / f"band{suffix}", values))
    read = np.stack([frame.power_db for frame in recording if isinstance(frame, PsdFrame)])
    np.testing.assert_array_equal(read, values)
    assert recording.finite_rows == 13
    assert recording.problems == [
        "rows 5-9: NaN or infinite values",
        "row 12: NaN or infinite values",
        "row 15: NaN or infinite values",
    ]
    recording.require_finite_rows()


def test_many_broken_rows_stay_a_short_list(tmp_path: Path) -> None:
    values = levels(100)
    values[::2] = np.nan
    recording = open_recording(write_recording(tmp_path / "band.npy", values))
    list(recording)
    assert len(recording.problems) == 21
    assert recording.problems[-1] == "30 more rows: NaN or infinite values"


def test_a_recording_without_one_row_of_numbers_is_one_clear_error(tmp_path: Path) -> None:
    recording = open_recording(write_recording(tmp_path / "band.npy", np.full((3, 4), np.nan)))
    assert len(list(recording)) == 3
    with pytest.raises(BadInput, match=r"all 3 rows hold NaN or infinite values; limit: at least 1 row"):
        recording.require_finite_rows()


def test_what_float32_cannot_hold_is_infinite(tmp_path: Path) -> None:
    recording = open_recording(write_recording(tmp_path / "band.npy", np.array([[1e300, 0.0], [0.0, 0.0]])))
    assert next(iter(recording)).power_db[0] == np.inf
    list(recording)
    assert recording.problems == ["row 0: NaN or infinite values"]


# The shared recordings


@pytest.mark.parametrize(
    ("name", "rows", "bins", "step_ns", "node"),
    [
        ("electrosense-madrid/psd_db.csv", 2000, 151, 900 * SECOND, "electrosense-madrid"),
        ("nist-lte-uplink/power_dbm_int8.npy", 4882, 56, SECOND, "nist-gaithersburg"),
        ("embers-orbcomm/S06XX_2019-10-01-14-30.npz", 16655, 112, None, "embers-s06xx"),
        ("embers-orbcomm/rf0XX_2019-10-01-14-30.npz", 11420, 112, None, "embers-rf0xx"),
        ("callisto/GAURI.npz", 21600, 200, SECOND // 4, "callisto-gauri"),
        ("callisto/GREENLAND.npz", 25200, 200, SECOND // 4, "callisto-greenland"),
        ("logatec-868mhz/data_reduced.h5", 128, 1024, SECOND // 5, "logatec"),
    ],
)
def test_real_recordings_open_with_no_configuration(
    name: str, rows: int, bins: int, step_ns: int | None, node: str
) -> None:
    path = real(name)
    recording = open_recording(path)
    assert (recording.rows, recording.bins, recording.node) == (rows, bins, node)
    whole = list(recording)
    assert recording.finite_rows == rows
    assert recording.problems == []
    assert same(list(recording.frames(77)), whole)
    power_db = np.stack([item.power_db for item in whole if isinstance(item, PsdFrame)])
    np.testing.assert_array_equal(power_db, independent_reading(path))
    times_ns = np.array([item.time_ns for item in whole])
    if step_ns is not None:
        assert set(np.diff(times_ns)) == {step_ns}
    else:
        with np.load(path) as arrays_in:
            seconds = arrays_in["time_unix"]
        np.testing.assert_array_equal(times_ns, np.rint(seconds * 1e9).astype(np.int64))
        assert recording.step_ns == pytest.approx(np.median(np.diff(seconds)) * 1e9, abs=300)


def independent_reading(path: Path) -> np.ndarray:
    match path.suffix:
        case ".csv":
            return np.loadtxt(path, delimiter=",").astype(np.float32)
        case ".h5":
            with h5py.File(path) as file:
                return file["rss"][()].astype(np.float32)
        case ".npy":
            return np.load(path).astype(np.float32)
        case _:
            with np.load(path) as arrays_in:
                return next(arrays_in[key] for key in arrays_in if arrays_in[key].ndim == 2).astype(
                    np.float32
                )


# Wrong files


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert refusal(tmp_path / "band.npy") == "band.npy: no such file"
    (tmp_path / "folder.npy").mkdir()
    assert refusal(tmp_path / "folder.npy").startswith(
        "folder.npy: is a directory; limit: a file (.npy, .npz"
    )
    os.mkfifo(tmp_path / "pipe.npy")
    assert refusal(tmp_path / "pipe.npy") == "pipe.npy: is a pipe, socket or device; limit: a file"
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file" / "band.npy") == "band.npy: cannot be read: Not a directory"


def test_another_kind_of_file_is_told_the_known_ones(tmp_path: Path) -> None:
    for name, suffix in (("band.ogg", ".ogg"), ("band", "")):
        (tmp_path / name).write_text("x")
        said = refusal(tmp_path / name)
        assert said.startswith(f"{name}: unknown kind of recording '{suffix}'; limit: .")
        assert set(known_suffixes()) <= set(said.replace(",", "").split())
        assert said.endswith(", or a sidecar that says the format")


def test_a_sidecar_given_for_its_recording_is_recognised(tmp_path: Path) -> None:
    write_recording(tmp_path / "band.npy", levels())
    assert refusal(tmp_path / "band.npy.yaml") == (
        "band.npy.yaml: is a sidecar; limit: the recording itself, band.npy"
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_no_bytes_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write_sidecar(tmp_path / f"band{suffix}")
    path.write_bytes(b"")
    assert refusal(path) == f"band{suffix}: empty, 0 bytes; limit: at least 1 row"


def test_an_upper_case_suffix_is_known(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels())
    upper = path.rename(tmp_path / "BAND.NPY")
    write_sidecar(upper)
    assert open_recording(upper).format == "npy"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(8), "1-D, shape (8,); limit: 2-D [rows, bins]"),
        (np.zeros((2, 3, 4)), "3-D, shape (2, 3, 4); limit: 2-D [rows, bins]"),
        (np.zeros((4, 4), np.complex64), "complex64 samples; limit: real power values"),
        (np.zeros((4, 4), bool), "values of type bool; limit: integers or floats"),
        (np.zeros((0, 4)), "0 rows; limit: at least 1"),
        (np.zeros((4, 1)), "1 columns; limit: at least 2 frequency bins"),
    ],
)
def test_what_is_no_matrix_of_levels_is_refused(
    tmp_path: Path, suffix: str, values: np.ndarray, message: str
) -> None:
    path = write_recording(
        tmp_path / f"band{suffix}", values, **({"dataset": "power"} if suffix == ".h5" else {})
    )
    said = refusal(path)
    if suffix == ".npz" and values.dtype.kind == "c":  # taken for samples, of which this sidecar says nothing
        assert said.startswith("band.npz.yaml: 'bin_hz' says nothing of a iq_frames recording")
        return
    assert said.startswith(f"band{suffix}: ")
    assert message in said


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_objects_are_refused_without_reading_a_pickle(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"band{suffix}"
    values = np.array([[Bomb(), Bomb()], [Bomb(), Bomb()]], dtype=object)
    np.save(path, values) if suffix == ".npy" else np.savez(path, power=values)
    assert "holds Python objects; limit: plain numbers (pickles are never read)" in refusal(
        write_sidecar(path)
    )


class Bomb:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return pytest.fail, ("a pickle was read",)


def test_a_truncated_npy_says_how_much_there_is(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(10, 4))
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path) == (
        "band.npy: truncated: 120 bytes of values, about 7 rows; limit: 160, the 10 rows its header promises"
    )


def test_an_npy_cut_after_it_was_opened_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(10, 4))
    recording = open_recording(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadInput, match="truncated: 120 bytes"):
        list(recording)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x93NUM", "broken npy header: EOF"),
        (b"hello world, this is text", "broken npy header: the magic string is not correct"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4',", "broken npy header:"),
        (b"\x93NUMPY\x01\x00\x04\x00((((", "broken npy header:"),
        (b"\x93NUMPY\x03\x00\x04\x00\x00\x00{}  ", "npy version 3.0; limit: 1.0 or 2.0"),
    ],
)
def test_a_broken_npy_header_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = write_sidecar(tmp_path / "band.npy")
    path.write_bytes(raw)
    assert refusal(path).startswith(f"band.npy: {message}")


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_container_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    path = write_recording(tmp_path / f"band{suffix}", levels(500, 64))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * kept)])
    assert refusal(path).startswith(f"band{suffix}: truncated or not an ")


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_flipped_byte_in_an_npz_is_found_at_the_latest_at_its_end(tmp_path: Path, order: str) -> None:
    path = write_recording(tmp_path / "band.npz", np.array(levels(500, 64), order=order))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    assert refusal(path).startswith("band.npz: ")


def test_a_stored_npz_with_a_wrong_checksum_is_found(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.npz")
    np.savez(path, power=levels(500, 64))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    assert refusal(path) == "band.npz: truncated or not an npz file: Bad CRC-32 for file 'power.npy'"


def test_an_npz_member_shorter_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "whole.npy", levels(10, 4))
    with zipfile.ZipFile(tmp_path / "band.npz", "w") as archive:
        archive.writestr("power.npy", path.read_bytes()[:-16])
    assert refusal(write_sidecar(tmp_path / "band.npz")) == (
        "band.npz: array 'power': truncated: 144 bytes of values; limit: 160, as its header promises"
    )


def test_an_encrypted_npz_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npz", levels())
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    assert refusal(path).startswith("band.npz: cannot be decompressed: File 'power.npy' is encrypted")


def test_several_arrays_need_the_name_of_one(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.npz")
    np.savez(path, power=levels(), noise=levels(seed=1))
    assert refusal(path) == (
        "band.npz: holds 'power', 'noise'; write in the sidecar which to read: array: NAME"
    )
    write_sidecar(path, array="powr")
    assert refusal(path) == "band.npz: array: no array 'powr'; did you mean 'power'?"
    write_sidecar(path, array="xyz")
    assert refusal(path) == "band.npz: array: no array 'xyz'; limit: 'power', 'noise'"
    write_sidecar(path, array="noise")
    np.testing.assert_array_equal(power_of(path), levels(seed=1))


def test_a_zip_of_no_arrays_says_so(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.npz")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert refusal(path) == "band.npz: holds no array; write in the sidecar which to read: array: NAME"


def test_several_datasets_need_the_name_of_one(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.h5")
    with h5py.File(path, "w") as file:
        file["day/power"] = levels()
        file["day/noise"] = levels(seed=1)
        file["lone"] = np.zeros(4)
    assert refusal(path) == (
        "band.h5: holds 'day/noise', 'day/power'; write in the sidecar which to read: dataset: NAME"
    )
    write_sidecar(path, dataset="day/powr")
    assert refusal(path) == "band.h5: dataset: no dataset 'day/powr'; did you mean 'day/power'?"
    write_sidecar(path, dataset="day")
    assert refusal(path).startswith(
        "band.h5: dataset: no dataset 'day'; limit: 'day/noise', 'day/power', 'lone'"
    )
    write_sidecar(path, dataset="day/noise")
    np.testing.assert_array_equal(power_of(path), levels(seed=1))


def test_an_hdf5_file_without_a_matrix_says_so(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.h5")
    with h5py.File(path, "w") as file:
        file["empty"] = h5py.Empty("f4")
    assert refusal(path).startswith("band.h5: holds no 2-D dataset; write in the sidecar")
    write_sidecar(path, dataset="empty")
    assert "0-D, shape (); limit: 2-D" in refusal(path)


def test_a_compressed_chunked_dataset_reads_like_any(tmp_path: Path) -> None:
    values = levels(100, 8)
    path = write_sidecar(tmp_path / "band.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("power", data=values, chunks=(30, 3), compression="gzip", shuffle=True)
    np.testing.assert_array_equal(power_of(path), values)


@pytest.mark.parametrize(
    ("suffix", "key", "format_"),
    [(".npy", "array", "npy"), (".h5", "array", "hdf5"), (".csv", "dataset", "csv")],
)
def test_a_key_of_another_format_is_refused(tmp_path: Path, suffix: str, key: str, format_: str) -> None:
    path = write_recording(tmp_path / f"band{suffix}", levels(), **{key: "power"})
    assert refusal(path).startswith(
        f"band{suffix}.yaml: '{key}' says nothing of a {format_} recording; limit: start, step_seconds,"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n4,5,6\n7,8\n", "line 3: 2 columns; limit: 3, as in line 1 (the file is cut)"),
        ("1,2,3\n4,5\n7,8,9\n", "line 2: 2 columns; limit: 3, as in line 1"),
        ("1,2\n3,noise\n", "line 2, column 2: 'noise' is not a number; limit: numbers between commas"),
        (
            "low,high\n1,2\n",
            "line 1, column 1: 'low' is not a number; limit: numbers between commas, no header",
        ),
        ("1,2\n3,\n", "line 2, column 2: '' is not a number"),
        ("1,,2\n3,4,5\n", "line 1, column 2: '' is not a number"),
        ("1,2\n3,4.5.6\n", "line 2, column 2: '4.5.6' is not a number"),
        ("1,2\n3,1_000\n", "line 2, column 2: '1_000' is not a number"),
        ("1,2\n3,١\n", "line 2, column 2: '١' is not a number"),
        ("1,2\n\n3,4\n", "line 2: empty; limit: empty lines at the end only"),
        ("1\n2\n", "1 columns; limit: at least 2 frequency bins"),
        ("1;2;3\n", "line 1, column 1: '1;2;3' is not a number"),
        ("\n\n", "0 rows; limit: at least 1"),
        (b"1,2\n3,\xff4\n", "line 2: byte 2 is 0xff; limit: UTF-8 text"),
        ("1,2\n".encode("utf-16"), "line 1: byte 0 is 0xff; limit: UTF-8 text"),
        (b"1" * (LONGEST_LINE_BYTES + 1), f"line 1: longer than {LONGEST_LINE_BYTES} bytes, the limit"),
    ],
)
def test_a_wrong_csv_names_the_line_and_column(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write_sidecar(tmp_path / "band.csv")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert refusal(path).startswith(f"band.csv: {message}")


@pytest.mark.parametrize(
    "text",
    ["1,2\n3,4\n", "1,2\r\n3,4\r\n", "\ufeff1,2\n3,4\n", " 1.0, 2e0\n+3,\t4\n", "1,2\n3,4\n\n\r\n"],
)
def test_the_ways_a_csv_is_written_read_alike(tmp_path: Path, text: str) -> None:
    path = write_sidecar(tmp_path / "band.csv")
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(power_of(path), [[1, 2], [3, 4]])


def test_a_csv_whose_last_line_has_no_end_is_read_and_told(tmp_path: Path) -> None:
    path = write_sidecar(tmp_path / "band.csv")
    path.write_text("1,2\n3,4")
    assert open_recording(path).problems == ["line 2: no line end: its last value may be cut"]
    np.testing.assert_array_equal(power_of(path), [[1, 2], [3, 4]])


def test_a_csv_that_changed_since_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.csv", levels(5, 4))
    recording = open_recording(path)
    with path.open("a") as stream:
        stream.write("1,2,3,4\n")
    assert len(list(recording)) == 5  # a row more is no harm: the file is still being written
    path.write_text("1,2,3,4\n1,2,3\n")
    with pytest.raises(BadInput, match="line 2: changed since it was opened"):
        list(recording)
    path.write_text("1,2,3,4\n")
    with pytest.raises(BadInput, match="1 rows, 5 when it was opened"):
        list(recording)


def test_bytes_after_the_array_of_an_npy_are_told(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(4))
    with path.open("ab") as stream:
        np.save(stream, levels(4))  # as by numpy.save to a file that was opened to append
    extra = path.stat().st_size // 2
    recording = open_recording(path)
    assert recording.rows == 4
    assert recording.problems == [f"{extra} bytes after the values of the array are left out"]


@pytest.mark.parametrize("text", ["-80,-81,\n-82,-83,\n", ",-80,-81\n,-82,-83\n"])
def test_a_csv_with_an_empty_first_or_last_column_is_refused_when_it_is_opened(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "band.csv"
    path.write_text(text)
    write_sidecar(path)
    with pytest.raises(BadInput, match="line 1, column [13]: '' is not a number"):
        open_recording(path)


def test_hdf5_values_that_are_not_in_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "band.h5"
    (tmp_path / "elsewhere").write_bytes(bytes(4 * 10 * 8))
    with h5py.File(path, "w") as file:
        file.create_dataset("power", (4, 10), "f8", external=[(str(tmp_path / "elsewhere"), 0, 320)])
    write_sidecar(path)
    assert refusal(path) == "band.h5: dataset 'power': stands in other files; limit: values in this one"


def test_hdf5_row_times_that_nobody_wrote_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "band.h5", 4_000_000_000
    with h5py.File(path, "w") as file:
        power = file.create_dataset("power", (rows, 2), "f4", chunks=(500_000, 2), compression="gzip")
        power[:500_000] = np.random.default_rng(0).normal(size=(500_000, 2))
        file.create_dataset("t", (rows,), "f8", chunks=(500_000,))
    (tmp_path / "band.h5.yaml").write_text(
        "dataset: power\ntime_unix: t\nfirst_hz: 1e6\nbin_hz: 1e3\nunit: dB\n"
    )
    assert refusal(path) == (
        "band.h5: time_unix 't': 32000000000 bytes of values, 0 in the file; limit: values that are there"
    )
