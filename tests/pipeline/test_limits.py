"""Names and numbers: settings, recordings and the wire take the same, so that what opens can be sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bandwatch.config import schema
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.limits import LATEST_DAY, LATEST_NS, NAME_PATTERN, as_name, is_name
from bandwatch.pipeline.replay import open_recording, replay_sources
from bandwatch.pipeline.sidecar import checked_name
from bandwatch.pipeline.wire import WireError, decode, encode, topic_of
from bandwatch.tests.jig import same
from bandwatch.tests.recorded import levels, write_recording

LIMIT = "limit: 1 to 64 letters, digits, '.', '_' and '-', no '.' first"
NEAR_NAMES = st.text(st.sampled_from("aZ0._- /\n\u00f6"), max_size=6) | st.integers(60, 70).map("n".__mul__)


def in_settings(name: str) -> bool:
    try:
        schema.Node(name=name)
    except ValidationError:
        return False
    return True


def in_a_sidecar(name: str) -> bool:
    try:
        checked_name("file", "node", name)
    except BadInput:
        return False
    return True


def on_the_wire(name: str) -> bool:
    try:
        topic_of("psd", name, "band")
        topic_of("iq", "node", name)
    except WireError:
        return False
    return True


def test_the_pattern_of_the_settings_is_that_of_the_pipeline() -> None:
    assert f"^{NAME_PATTERN}$" == schema.NAME_PATTERN


@given(name=NEAR_NAMES)
@example(".")
@example("..")
@example(".a")
@example("a\n")
@example("-")
@example("n" * 64)
@example("n" * 65)
@settings(max_examples=300, deadline=None)
def test_a_name_is_one_everywhere_or_nowhere(name: str) -> None:
    assert {in_settings(name), in_a_sidecar(name), on_the_wire(name)} == {is_name(name)}


@given(text=NEAR_NAMES.filter(bool))
def test_any_text_becomes_a_name_and_a_name_stays_as_it_is(text: str) -> None:
    assert is_name(as_name(text))
    assert not is_name(text) or as_name(text) == text


@pytest.mark.parametrize(
    ("stem", "band"), [("n" * 90, "n" * 64), ("..secret", "-secret"), ("h\u00f6he 3", "h-he-3"), ("...", "-")]
)
def test_a_files_name_is_cut_and_cleaned_to_fit(tmp_path: Path, stem: str, band: str) -> None:
    assert open_recording(write_recording(tmp_path / f"{stem}.npy", levels())).band == band


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "n" * 65])
def test_names_that_could_not_travel_are_refused(tmp_path: Path, name: str) -> None:
    path = write_recording(tmp_path / "band.npy", levels(), band=name)
    with pytest.raises(BadInput) as caught:
        open_recording(path)
    assert str(caught.value) == f"{path}.yaml: band: '{name}'; {LIMIT}"
    write_recording(path, levels())
    with pytest.raises(BadInput) as caught:
        open_recording(path, node=name)
    assert str(caught.value) == f"{path}: node: '{name}'; {LIMIT}"


# Numbers

# Texts, as a person writes them: within, at and beyond every limit.
STARTS = ["1970-01-01T00:00:00Z", "2026-01-31T12:00:00Z", f"{LATEST_DAY}T00:00:00Z", "2116-02-20T23:53:38Z"]
STARTS += ["2116-02-20T23:53:39Z", "2200-01-01T00:00:00Z", "2262-04-11T00:00:00Z"]
STEPS = ["1e-9", "0.5", "900", "1e6", "4611686018", "4611686018.427387903", "4611686019", "9e9", "1e300"]
FIRSTS = ["0", "-5e6", "868e6", "1e13", "-1e13", "1.0001e13", "-2e14", "1e300"]
WIDTHS = ["5e-324", "1e-9", "187.5", "1e12", "1.0001e12", "1e15", "1e300"]
STAMPS = [0.0, 1.8e9, 4611686017.0, 4611686018.0, 4611686018.5, 9e9]


@given(
    start=st.sampled_from(STARTS),
    step=st.sampled_from(STEPS),
    first_hz=st.sampled_from(FIRSTS),
    bin_hz=st.sampled_from(WIDTHS),
    stamps=st.none() | st.lists(st.sampled_from(STAMPS), min_size=3, max_size=3),
    stem=NEAR_NAMES.filter(lambda text: text and not set(text) & set("/\n")),
)
@settings(max_examples=300, deadline=None)
def test_whatever_opens_can_be_sent(
    tmp_path_factory: pytest.TempPathFactory,
    start: str,
    step: str,
    first_hz: str,
    bin_hz: str,
    stamps: list[float] | None,
    stem: str,
) -> None:
    axes = {"first_hz": first_hz, "bin_hz": bin_hz} | (
        {"start": start, "step_seconds": step} if stamps is None else {}
    )
    path = tmp_path_factory.mktemp("file") / f"{stem}{'.npy' if stamps is None else '.npz'}"
    write_recording(path, levels(3), times=stamps, **axes)
    try:
        items = list(replay_sources([path]))
    except BadInput as refusal:
        assert "limit" in str(refusal)
        assert "\n" not in str(refusal)
        return
    for item in items:
        assert same(decode([bytes(part) for part in encode(item)]), item)


def refusal(path: Path, **changes: object) -> str:
    with pytest.raises(BadInput) as caught:
        open_recording(write_recording(path, levels(3), **changes))
    return str(caught.value).removeprefix(f"{path}.yaml: ").removeprefix(f"{path}: ")


def test_every_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "band.npy"
    assert str(datetime.fromtimestamp(LATEST_NS // 10**9, UTC).date()) == LATEST_DAY
    assert refusal(path, start="2116-02-21T00:00:00Z") == (
        "start: '2116-02-21T00:00:00Z'; limit: from 1970 to 2116-02-20"
    )
    assert refusal(path, start="2116-02-20T23:53:37Z", step_seconds=1) == (
        "its 3 rows end after 2116-02-20, the limit"
    )
    assert refusal(path, step_seconds="5e9") == (
        "step_seconds: 5e9; limit: above 0, in seconds, at least 1e-9, at most 4611686018"
    )
    assert refusal(path, first_hz="2e13") == "first_hz: 2e13; limit: -1e+13 to 1e+13 Hz"
    assert refusal(path, bin_hz="2e12") == "bin_hz: 2e12; limit: at most 1e+12 Hz"
    assert refusal(path, first_hz="1e13", bin_hz="1e12") == (
        "the middle of its 4 columns lies at 1.15e+13 Hz; limit: -1e+13 to 1e+13 Hz"
    )
    times = np.array([4611686015.0, 4611686016.0, 4611686017.9])
    assert refusal(tmp_path / "band.npz", times=times) == "its 3 rows end after 2116-02-20, the limit"


def test_more_columns_than_a_message_holds_are_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", np.zeros((1, 1_048_577), np.int8))
    with pytest.raises(BadInput, match="1048577 columns; limit: at most 1048576 frequency bins"):
        open_recording(path)


def test_laps_end_before_time_does(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", levels(3), start="2100-01-01T00:00:00Z", step_seconds=100e6)
    items = replay_sources([path], loop=True)
    assert max([next(items).time_ns for _ in range(3)]) < LATEST_NS
    with pytest.raises(BadInput) as caught:
        next(items)
    assert str(caught.value) == f"{path}: its lap 2 ends after 2116-02-20, the limit"
