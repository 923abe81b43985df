"""Several files play one after the other; laps never turn a band's time back."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.replay import open_recording, replay_sources
from bandwatch.pipeline.sidecar import instant_ns
from bandwatch.tests.jig import SECOND, same
from bandwatch.tests.recorded import levels, write_recording


def hour(folder: Path, number: int, rows: int = 4, **changes: object) -> Path:
    """One of a band's files, a row every 15 minutes from `number` o'clock."""
    keys = {"start": f"2026-01-31T{number:02d}:00:00Z", "step_seconds": 900, "band": "uhf"} | changes
    return write_recording(folder / f"hour{number}.npy", levels(rows, seed=number), **keys)


def take(items: object, count: int) -> list[PsdFrame | Gap]:
    return list(itertools.islice(items, count))


def test_one_file_plays_as_it_is(tmp_path: Path) -> None:
    path = hour(tmp_path, 1)
    assert same(list(replay_sources([path])), list(open_recording(path)))


def test_recordings_already_open_play_like_paths(tmp_path: Path) -> None:
    paths = [hour(tmp_path, 1), hour(tmp_path, 2)]
    opened = [open_recording(path) for path in paths]
    assert same(list(replay_sources(opened, chunk_rows=1)), list(replay_sources(paths)))


def test_files_of_a_band_follow_each_other(tmp_path: Path) -> None:
    items = list(replay_sources([hour(tmp_path, 1), hour(tmp_path, 2), hour(tmp_path, 5)]))
    assert [item.seq for item in items] == [0, 1, 2, 3] * 3
    assert len({item.stream for item in items}) == 3  # a new stream id: no window spans two files
    times_ns = [item.time_ns for item in items]
    assert times_ns == sorted(times_ns)


def test_files_in_the_wrong_order_have_a_clock_gap_between(tmp_path: Path) -> None:
    items = list(replay_sources([hour(tmp_path, 2), hour(tmp_path, 1)]))
    assert isinstance(items[4], Gap)
    assert (items[4].reason, items[4].after_seq, items[4].lost_rows) == ("clock", 3, None)
    assert items[4].time_ns == items[3].end_ns


def test_several_bands_play_at_once_by_time(tmp_path: Path) -> None:
    later = hour(tmp_path, 2)
    other = hour(tmp_path, 3, rows=8, band="vhf", start="2026-01-31T01:07:00Z")
    items = list(replay_sources([hour(tmp_path, 1), other, later]))
    assert not any(isinstance(item, Gap) for item in items)
    assert [item.band for item in items] == ["uhf", "vhf"] * 8
    assert [item.time_ns for item in items] == sorted(item.time_ns for item in items)
    for band in ("uhf", "vhf"):
        alone = [hour(tmp_path, 1), later] if band == "uhf" else [other]
        assert same([item for item in items if item.band == band], list(replay_sources(alone)))


def test_of_equal_times_the_band_given_first_goes_first(tmp_path: Path) -> None:
    one = write_recording(tmp_path / "one.npy", levels(3))
    other = write_recording(tmp_path / "other.npy", levels(3))
    for order in ([one, other], [other, one]):
        items = list(replay_sources(order))
        assert [item.band for item in items] == [path.stem for path in order] * 3


# A part of it


def at(text: str) -> int:
    return instant_ns("", text)


def test_from_and_to_cut_out_the_rows_that_begin_between(tmp_path: Path) -> None:
    paths = [hour(tmp_path, 1), hour(tmp_path, 2)]
    whole = list(replay_sources(paths))
    from_ns, to_ns = at("2026-01-31T01:30:00Z"), at("2026-01-31T02:30:00Z")
    assert same(list(replay_sources(paths, from_ns=from_ns, to_ns=to_ns)), whole[2:6])
    assert same(list(replay_sources(paths, from_ns=from_ns)), whole[2:])
    assert same(list(replay_sources(paths, to_ns=to_ns)), whole[:6])


def test_a_cut_keeps_its_gaps_and_its_laps(tmp_path: Path) -> None:
    times = 1_700_000_000 + np.array([0, 1, 2, 3, 9, 10, 11, 12.0])
    path = write_recording(tmp_path / "band.npz", levels(8), times=times)
    from_ns, to_ns = (1_700_000_000 + 2) * SECOND, (1_700_000_000 + 11) * SECOND
    items = take(replay_sources([path], loop=True, from_ns=from_ns, to_ns=to_ns), 10)
    assert [getattr(item, "seq", "gap") for item in items] == [2, 3, "gap", 4, 5] * 2
    times_ns = [item.time_ns for item in items]
    assert times_ns == sorted(times_ns)
    assert items[5].time_ns - items[0].time_ns == 10 * SECOND


def test_a_cut_without_a_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recording has rows between --from and --to; limit: at least 1"):
        replay_sources([hour(tmp_path, 1)], from_ns=at("2027-01-01T00:00:00Z"))


def test_a_lap_moves_time_on_by_the_recordings_span_under_a_new_stream(tmp_path: Path) -> None:
    items = take(replay_sources([hour(tmp_path, 1)], loop=True), 12)
    assert set(np.diff([item.time_ns for item in items])) == {900 * SECOND}
    assert [item.seq for item in items] == [0, 1, 2, 3] * 3
    streams = [item.stream for item in items]
    assert streams[::4] == streams[1::4] == streams[3::4]
    assert len(set(streams)) == 3
    for lap in (1, 2):
        assert all(same(a.power_db, b.power_db) for a, b in zip(items, items[4 * lap :], strict=False))


def test_laps_of_several_files_keep_their_distances(tmp_path: Path) -> None:
    items = take(replay_sources([hour(tmp_path, 1), hour(tmp_path, 3)], loop=True), 16)
    one, other = items[:8], items[8:]
    assert {b.time_ns - a.time_ns for a, b in zip(one, other, strict=True)} == {3 * 3600 * SECOND}


def test_each_band_moves_on_by_its_own_span(tmp_path: Path) -> None:
    paths = [hour(tmp_path, 1), hour(tmp_path, 2, rows=2, band="vhf")]
    items = take(replay_sources(paths, loop=True), 12)
    for band, span_s in (("uhf", 3600), ("vhf", 1800)):
        starts_ns = [item.time_ns for item in items if item.band == band]
        half = len(starts_ns) // 2
        moved_ns = np.subtract(starts_ns[half:], starts_ns[:half])
        assert set(moved_ns) == {span_s * SECOND}


@given(steps=st.lists(st.integers(-5, 30), min_size=2, max_size=12))
@settings(max_examples=40, deadline=None)
def test_no_lap_begins_before_the_last_one_ended(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    times = 1_700_000_000 + np.cumsum([1] * 15 + steps)
    path = write_recording(
        tmp_path_factory.mktemp("laps") / "band.npz", levels(len(times)), times=times.astype(float)
    )
    lap = list(open_recording(path))
    items = take(replay_sources([path], loop=True), 2 * len(lap))
    first_lap, second_lap = items[: len(lap)], items[len(lap) :]
    assert same(first_lap, lap)
    latest_ns = max(item.end_ns for item in first_lap if isinstance(item, PsdFrame))
    assert min(item.time_ns for item in second_lap) == latest_ns


def test_a_file_given_twice_has_two_streams(tmp_path: Path) -> None:
    path = hour(tmp_path, 1)
    items = list(replay_sources([path, path]))
    assert isinstance(items.pop(4), Gap)
    assert len({item.stream for item in items}) == 2


def test_replaying_twice_is_the_same(tmp_path: Path) -> None:
    paths = [hour(tmp_path, 2), hour(tmp_path, 1)]
    assert same(
        take(replay_sources(paths, loop=True), 30), take(replay_sources(paths, loop=True, chunk_rows=3), 30)
    )


def test_a_bad_file_is_refused_before_the_first_row_of_the_first(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere.npy: no such file"):
        replay_sources([hour(tmp_path, 1), tmp_path / "nowhere.npy"])


def test_no_files_are_refused() -> None:
    with pytest.raises(BadInput, match="no recording given; limit: at least 1 file"):
        replay_sources([])


def test_a_file_without_one_row_of_numbers_is_an_error_at_its_end(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "band.npy", np.full((3, 4), np.inf))
    items = replay_sources([path], loop=True)
    assert len(take(items, 3)) == 3
    with pytest.raises(BadInput, match="band.npy: all 3 rows hold NaN or infinite values"):
        next(items)
