"""A sidecar is read to the last digit, and refused in one line that says what to mend."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.sidecar import LARGEST_BYTES, MATRIX_KEYS, Sidecar, check_keys, read_sidecar

KEYS = (*MATRIX_KEYS, "node", "band", "format", "array", "dataset", "time_unix")

LINES = {
    "start": "2026-01-31T12:00:00Z",
    "step_seconds": "0.2",
    "first_hz": "868.2e6",
    "bin_hz": "187.5",
    "unit": "dBm/bin",
}


def read(folder: Path, **changes: str | None):
    lines = {key: value for key, value in (LINES | changes).items() if value is not None}
    return read_text(folder, "".join(f"{key}: {value}\n" for key, value in lines.items()))


def read_text(folder: Path, text: str | bytes):
    raw = text.encode() if isinstance(text, str) else text
    (folder / "band.npy.yaml").write_bytes(raw)
    sidecar = read_sidecar(folder / "band.npy")
    check_keys(folder / "band.npy", sidecar, "npz", KEYS, MATRIX_KEYS)
    return sidecar


def refusal(folder: Path, **changes: str | None) -> str:
    with pytest.raises(BadInput) as caught:
        read(folder, **changes)
    return one_line(caught.value, folder)


def one_line(error: BaseException, folder: Path) -> str:
    message = str(error)
    assert "\n" not in message
    return message.replace(str(folder) + "/", "")


def test_every_key_arrives(tmp_path: Path) -> None:
    sidecar = read(tmp_path, node="attic", band="srd-868", array="p", dataset="g/d", time_unix="t")
    assert (sidecar.start_ns, sidecar.step_ns) == (1_769_860_800_000_000_000, 200_000_000)
    assert (sidecar.first_hz, sidecar.bin_hz, sidecar.unit) == (868.2e6, 187.5, "dBm/bin")
    assert (sidecar.node, sidecar.band) == ("attic", "srd-868")
    assert (sidecar.array, sidecar.dataset, sidecar.time_unix) == ("p", "g/d", "t")


def test_names_and_arrays_may_be_left_out(tmp_path: Path) -> None:
    sidecar = read(tmp_path)
    assert sidecar.node is sidecar.band is sidecar.array is sidecar.dataset is sidecar.time_unix is None


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-31 12:00:00Z", 1_769_860_800_000_000_000),
        ("2026-01-31T12:00Z", 1_769_860_800_000_000_000),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800_000_000_000),
        ("2026-01-31T14:00:00 +2", 1_769_860_800_000_000_000),
        ("2026-01-31T06:30:00-0530", 1_769_860_800_000_000_000),
        ("'2026-01-31T12:00:00.123456789Z'", 1_769_860_800_123_456_789),
        ("2026-01-31T12:00:00.5z", 1_769_860_800_500_000_000),
        ("2026-01-31Z", 1_769_817_600_000_000_000),
    ],
)
def test_a_start_is_exact_in_any_zone(tmp_path: Path, text: str, nanoseconds: int) -> None:
    assert read(tmp_path, start=text).start_ns == nanoseconds


@given(
    moment=st.datetimes(datetime(1970, 1, 2), datetime(2116, 2, 19)),
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_a_start_agrees_with_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory, moment: datetime, minutes: int
) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    since = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    expected_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert read(tmp_path_factory.mktemp("start"), start=text).start_ns == expected_us * 1000


def test_a_step_is_the_decimal_that_was_written(tmp_path: Path) -> None:
    assert read(tmp_path, step_seconds="0.1").step_ns == 100_000_000
    assert read(tmp_path, step_seconds="1e-9").step_ns == 1
    assert read(tmp_path, step_seconds="900").step_ns == 900_000_000_000


@pytest.mark.parametrize("text", ["500.0e6", "5e8", "500000000", "5.0e+8", "'5e8'", "500_000_000"])
def test_a_number_may_be_written_as_the_field_does(tmp_path: Path, text: str) -> None:
    # YAML 1.1 alone takes 500.0e6 for text.
    assert read(tmp_path, first_hz=text).first_hz == 5e8


def test_names_are_never_taken_for_something_else(tmp_path: Path) -> None:
    sidecar = read(tmp_path, node="0123", band="on")
    assert (sidecar.node, sidecar.band) == ("0123", "on")


def test_row_times_stand_for_start_and_step(tmp_path: Path) -> None:
    sidecar = read(tmp_path, start=None, step_seconds=None, time_unix="t")
    assert sidecar.start_ns is sidecar.step_ns is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_Hz": "1"}, "band.npy.yaml: unknown key 'first_Hz'; did you mean 'first_hz'?"),
        (
            {"zzz": "1"},
            "band.npy.yaml: unknown key 'zzz'; limit: start, step_seconds, first_hz, bin_hz, unit,",
        ),
        (
            {"start": "2026-01-31T12:00:00"},
            "start: '2026-01-31T12:00:00' has no time zone; limit: end it with Z",
        ),
        ({"start": "2026-01-31"}, "start: '2026-01-31' has no time zone"),
        ({"start": "yesterday"}, "start: 'yesterday'; limit: a UTC time such as 2026-01-31T12:00:00Z"),
        ({"start": "1700000000"}, "start: '1700000000'; limit: a UTC time"),
        ({"start": "2026-02-30T12:00:00Z"}, "start: '2026-02-30T12:00:00Z': day"),
        ({"start": "1969-12-31T12:00:00Z"}, "start: '1969-12-31T12:00:00Z'; limit: from 1970 to 2116"),
        ({"start": "2300-01-01Z"}, "start: '2300-01-01Z'; limit: from 1970 to 2116"),
        ({"step_seconds": "0"}, "step_seconds: 0; limit: above 0"),
        ({"step_seconds": "-1"}, "step_seconds: -1; limit: above 0"),
        ({"step_seconds": "1e-11"}, "step_seconds: 1e-11; limit: above 0, in seconds, at least 1e-9"),
        ({"step_seconds": "1e999999"}, "step_seconds: 1e999999; limit: above 0"),
        ({"step_seconds": "fast"}, "step_seconds: 'fast'; limit: a finite number"),
        ({"step_seconds": "nan"}, "step_seconds: 'nan'; limit: a finite number"),
        ({"step_seconds": ""}, "step_seconds: ''; limit: a finite number"),
        ({"first_hz": "inf"}, "first_hz: 'inf'; limit: a finite number"),
        ({"first_hz": "1e300"}, "first_hz: 1e300; limit: -1e+13 to 1e+13 Hz"),
        ({"first_hz": "868 MHz"}, "first_hz: '868 MHz'; limit: a finite number"),
        ({"bin_hz": "0"}, "bin_hz: 0; limit: above 0, columns run from low to high frequency"),
        ({"bin_hz": "-12.5e3"}, "bin_hz: -12.5e3; limit: above 0"),
        ({"unit": "dBW"}, "unit: 'dBW'; limit: dBFS/bin, dBFS/Hz, dBm/bin, dB, counts"),
        ({"node": "attic 2"}, "node: 'attic 2'; limit: 1 to 64 letters, digits, '.', '_' and '-'"),
        ({"band": "a/b"}, "band: 'a/b'; limit: 1 to 64"),
        ({"node": ""}, "node: ''; limit: 1 to 64"),
        ({"array": "''"}, "array: empty; limit: a name"),
        ({"unit": "[dB]"}, "unit: a list or mapping; limit: one value a key"),
        ({"unit": None, "bin_hz": None}, "band.npy.yaml: missing bin_hz, unit"),
        ({"start": None}, "missing start (time_unix, the name of the array of row times, can stand for"),
        (
            {"start": None, "step_seconds": None, "unit": None, "time_unix": "t"},
            "band.npy.yaml: missing unit",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    said = refusal(tmp_path, **changes)
    assert said.startswith("band.npy.yaml: ")
    assert message in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "band.npy.yaml: holds nothing; limit: lines of 'key: value'"),
        ("- start\n", "band.npy.yaml: holds a list or one value"),
        ("start: [\n", "band.npy.yaml: not YAML: while parsing"),
        ("unit: dB\nunit: dB\n", "band.npy.yaml: 'unit' is given twice; limit: once"),
        ("[a]: 1\n", "band.npy.yaml: a list or mapping; limit: one value a key"),
        (b"unit: \xff\n", "band.npy.yaml: byte 6 is 0xff; limit: UTF-8 text"),
        ("a: " + "[" * 3_000, "band.npy.yaml: nested too deeply"),
        ("#" * (LARGEST_BYTES + 1), f"band.npy.yaml: larger than {LARGEST_BYTES} bytes"),
    ],
)
def test_what_is_no_sidecar_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_text(tmp_path, text)
    assert one_line(caught.value, tmp_path).startswith(message)


def test_a_missing_sidecar_says_what_to_write_where(tmp_path: Path) -> None:
    path = tmp_path / "band.npy"
    with pytest.raises(BadInput) as caught:
        check_keys(path, read_sidecar(path), "npz", KEYS, MATRIX_KEYS)
    assert one_line(caught.value, tmp_path) == (
        "band.npy: does not describe itself and has no sidecar; write start, step_seconds, first_hz, bin_hz,"
        " unit in band.npy.yaml (where needed: node, band, format, array, dataset, time_unix)"
    )


def test_a_recording_that_describes_itself_needs_no_sidecar(tmp_path: Path) -> None:
    sidecar = read_sidecar(tmp_path / "band.npy")
    check_keys(tmp_path / "band.npy", sidecar, "npz", KEYS, ())
    assert sidecar == Sidecar(tmp_path / "band.npy.yaml")


def test_a_key_that_says_nothing_of_the_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'start' says nothing of a wav recording; limit: node, center_hz"):
        check_keys(tmp_path / "a.wav", read(tmp_path, array="x"), "wav", ("node", "center_hz"), ())


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("sample_rate_hz", "2.4e6", 2.4e6),
        ("center_hz", "-5e3", -5e3),
        ("time_zone", "Europe/Madrid", ZoneInfo("Europe/Madrid")),
        ("format", "cs8", "cs8"),
    ],
)
def test_iq_and_time_zone_keys(tmp_path: Path, key: str, text: str, value: object) -> None:
    (tmp_path / "a.raw.yaml").write_text(f"{key}: {text}\n")
    sidecar = read_sidecar(tmp_path / "a.raw")
    assert (getattr(sidecar, key), sidecar.given) == (value, (key,))


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("sample_rate_hz", "0", "sample_rate_hz: 0; limit: above 0, at most 1e+12 samples a second"),
        ("sample_rate_hz", "nan", "sample_rate_hz: 'nan'; limit: a finite number"),
        ("center_hz", "1e14", "center_hz: 1e14; limit: -1e+13 to 1e+13 Hz"),
        ("time_zone", "Mars/Base", "time_zone: 'Mars/Base'; limit: a zone's name such as Europe/Madrid"),
        ("time_zone", "../etc/passwd", "time_zone: '../etc/passwd'; limit: a zone's name"),
    ],
)
def test_wrong_iq_and_time_zone_keys(tmp_path: Path, key: str, text: str, message: str) -> None:
    (tmp_path / "a.raw.yaml").write_text(f"{key}: {text}\n")
    with pytest.raises(BadInput) as caught:
        read_sidecar(tmp_path / "a.raw")
    assert message in str(caught.value)


def test_a_sidecar_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "band.npy.yaml").mkdir()
    with pytest.raises(BadInput, match="band.npy.yaml: cannot be read: Is a directory"):
        read_sidecar(tmp_path / "band.npy")
