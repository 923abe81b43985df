"""Every jump of a band becomes one gap of the right reason, and every row is accounted for once."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.replay import open_recording
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.wire import Heartbeat
from bandwatch.tests.jig import SECOND, assert_is_stage, assert_lasts, gap_before, rows
from bandwatch.tests.recorded import levels, real, write_recording


def beat(last_seq: int, *, stream: int = 7, ended: bool = False) -> Heartbeat:
    return Heartbeat("node", "band", stream, last_seq, ended)


def picture(items) -> list[int | str]:
    """Rows by seq, gaps as `reason lost_rows`."""
    return [f"{item.reason} {item.lost_rows}" if isinstance(item, Gap) else item.seq for item in items]


def heard(*items, stage: Continuity | None = None) -> list[int | str]:
    return picture(drive(stage or Continuity(), items))


def spoilt(row: PsdFrame, *values: float) -> PsdFrame:
    power_db = row.power_db.copy()
    power_db[: len(values)] = values
    return replace(row, power_db=power_db)


def test_rows_that_follow_one_another_pass_untouched():
    items = rows(10)
    assert drive(Continuity(), items) == items


def test_a_jump_in_seq_is_a_loss_of_so_many_rows_dated_at_the_end_of_the_last_good_one():
    r = rows(10)
    outputs = drive(Continuity(), [r[0], r[1], r[6]])
    assert outputs == [r[0], r[1], Gap("node", "band", 1, 4, None, "lost", r[1].end_ns), r[6]]


def test_nothing_is_claimed_before_the_first_row_heard():
    r = rows(10)
    assert heard(r[5], r[6]) == [5, 6]


def test_heartbeats_before_the_first_row_say_where_counting_begins():
    r = rows(10)
    assert heard(beat(2), beat(4), r[5]) == [5]
    assert heard(beat(4), r[7]) == ["lost 2", 7]
    assert drive(Continuity(), [beat(4), r[7]])[0].time_ns == r[7].time_ns
    assert heard(beat(-1), r[0]) == [0]


def test_another_stream_is_a_restart_whose_loss_cannot_be_known():
    old, new = rows(10, stream=1), rows(10, stream=2)
    outputs = drive(Continuity(), [*old[:3], *new[2:4]])
    assert outputs == [*old[:3], Gap("node", "band", 2, None, None, "restart", old[2].end_ns), *new[2:4]]


def test_a_heartbeat_of_another_stream_is_the_restart_and_its_rows_are_none():
    old, new = rows(10, stream=1), rows(10, stream=2)
    restarted = ["restart None"]
    assert heard(*old[:3], beat(-1, stream=2), *new[:2]) == [0, 1, 2, *restarted, 0, 1]
    assert heard(*old[:3], beat(0, stream=2), new[3]) == [0, 1, 2, *restarted, "lost 2", 3]


def test_before_the_first_row_there_is_nothing_a_restart_could_break():
    assert heard(beat(3, stream=1), beat(1, stream=2), *rows(3, stream=2)[2:]) == [2]


def test_a_restart_stands_for_whatever_else_changed():
    old = rows(3, stream=1)
    new = rows(3, stream=2, center_hz=433e6, gain_db=3.0, lost_samples=9)
    outputs = drive(Continuity(), [*old, new[2]])
    assert picture(outputs) == [0, 1, 2, "restart None", 2]
    assert outputs[3].lost_samples == 9


def test_a_stream_that_ended_begins_anew_with_row_0_or_a_heartbeat():
    r = rows(6)
    ended = beat(2, ended=True)
    assert heard(*r[:3], ended, *r[:2]) == [0, 1, 2, "restart None", 0, 1]
    assert heard(*r[:3], ended, beat(0), r[1]) == [0, 1, 2, "restart None", 1]
    assert heard(*r[:3], ended, ended, r[3], r[5]) == [0, 1, 2, 3, "lost 1", 5]


def test_what_is_left_over_of_a_replaced_stream_is_ignored_until_it_begins_anew():
    old, new = rows(9, stream=1), rows(9, stream=2)
    stage = Continuity()
    mixed = [*old[:3], new[0], old[3], beat(5, stream=1), new[1], old[4], new[2]]
    assert heard(*mixed, stage=stage) == [0, 1, 2, "restart None", 0, 1, 2]
    assert stage.ignored == {"duplicate": 0, "out_of_order": 0, "replaced": 2}
    assert heard(old[0], old[1], stage=stage) == ["restart None", 0, 1]


def test_a_replaced_stream_that_says_it_ended_may_come_back_at_any_row():
    old, new = rows(9, stream=1), rows(9, stream=2)
    items = [*old[:2], *new[:2], beat(1, stream=1, ended=True), old[4]]
    assert heard(*items) == [0, 1, "restart None", 0, 1, "restart None", 4]
    assert heard(*old[:2], beat(1, stream=1, ended=True), *new[:2], old[4])[-2:] == ["restart None", 4]


def test_a_heartbeat_that_announces_rows_never_received_is_a_loss_of_them():
    r = rows(10)
    outputs = drive(Continuity(), [r[0], r[1], beat(4), r[5]])
    assert outputs == [r[0], r[1], Gap("node", "band", 1, 3, None, "lost", r[1].end_ns), r[5]]


def test_announced_rows_that_come_late_are_not_counted_twice():
    r = rows(10)
    stage = Continuity()
    assert heard(r[0], beat(3), r[1], r[3], r[4], beat(4), beat(2), stage=stage) == [0, "lost 3", 4]
    assert stage.ignored == {"duplicate": 1, "out_of_order": 1, "replaced": 0}


def test_a_heartbeat_of_iq_blocks_says_nothing_of_rows():
    r = rows(2)
    assert heard(r[0], Heartbeat("node", "band", 99, 50, False, carries="iq"), r[1]) == [0, 1]


def test_duplicates_and_rows_out_of_order_are_dropped_and_counted():
    r = rows(10)
    stage = Continuity()
    assert heard(r[0], r[1], r[1], r[4], r[2], r[4], r[5], stage=stage) == [0, 1, "lost 2", 4, 5]
    assert stage.ignored == {"duplicate": 2, "out_of_order": 1, "replaced": 0}


@pytest.mark.parametrize(
    "changes", [{"center_hz": 868e6 + 1}, {"bin_hz": 187.6}, {"unit": "dBFS/bin"}, {"bins": 64}]
)
def test_a_change_of_what_the_bins_are_is_a_retune(changes):
    old, new = rows(4), rows(4, **changes)
    outputs = drive(Continuity(), [old[0], old[1], new[2], new[3]])
    assert outputs[2] == Gap("node", "band", 1, 0, 0, "retuned", old[1].end_ns)
    assert picture(outputs) == [0, 1, "retuned 0", 2, 3]


@pytest.mark.parametrize(("before", "after"), [(20.0, 21.0), (None, 20.0), (20.0, None)])
def test_a_change_of_gain_is_a_gap(before, after):
    old, new = rows(4, gain_db=before), rows(4, gain_db=after)
    assert heard(old[0], old[1], new[2], new[3]) == [0, 1, "gain 0", 2, 3]


def test_samples_the_receiver_lost_are_a_gap_before_their_row_the_first_one_too():
    r = rows(3)
    hurt = replace(r[1], lost_samples=512)
    outputs = drive(Continuity(), [r[0], hurt, r[2]])
    assert outputs == [r[0], Gap("node", "band", 0, 0, 512, "overflow", r[0].end_ns), hurt, r[2]]
    outputs = drive(Continuity(), [hurt, r[2]])
    assert outputs == [Gap("node", "band", 0, 0, 512, "overflow", hurt.time_ns), hurt, r[2]]


def test_where_causes_coincide_one_gap_has_the_first_reason_and_all_counts():
    old = rows(9)
    retuned = rows(9, center_hz=1e6, gain_db=5.0, lost_samples=7)
    louder = rows(9, gain_db=5.0, lost_samples=7)
    hurt = rows(9, lost_samples=7)
    late = rows(9, lost_samples=7, duration_ns=90 * SECOND)

    def gap(after: PsdFrame) -> Gap:
        row, gap, passed = drive(Continuity(), [old[0], after])
        assert (row, passed) == (old[0], after)
        return gap

    end_ns = old[0].end_ns
    assert gap(retuned[4]) == Gap("node", "band", 0, 3, 7, "retuned", end_ns)
    assert gap(louder[4]) == Gap("node", "band", 0, 3, 7, "gain", end_ns)
    assert gap(hurt[4]) == Gap("node", "band", 0, 3, 7, "lost", end_ns)
    assert gap(late[1]) == Gap("node", "band", 0, 0, 7, "overflow", end_ns)


def shifted(row: PsdFrame, by_ns: int) -> PsdFrame:
    return replace(row, time_ns=row.time_ns + by_ns)


@pytest.mark.parametrize(
    ("duration_ns", "by_ns", "is_gap"),
    [
        (SECOND, -SECOND, False),  # the same time again
        (SECOND, -SECOND - 1, True),  # before the row before
        (SECOND, 3 * SECOND // 2, False),  # 2.5 rows after it
        (SECOND, 3 * SECOND // 2 + 1, True),
        (SECOND // 10, 9 * SECOND // 10, False),  # 10 rows, but no more than a second
        (SECOND // 10, 9 * SECOND // 10 + 1, True),
        (900 * SECOND, 1350 * SECOND, False),
        (900 * SECOND, 1351 * SECOND, True),
        (900 * SECOND, -3600 * SECOND, True),
    ],
)
def test_a_clock_that_jumps_with_no_row_missing_is_a_gap(duration_ns, by_ns, is_gap):
    r = rows(5, duration_ns=duration_ns)
    outputs = drive(Continuity(), [r[0], r[1], *(shifted(row, by_ns) for row in r[2:])])
    assert picture(outputs) == ([0, 1, "clock 0", 2, 3, 4] if is_gap else [0, 1, 2, 3, 4])
    if is_gap:
        assert outputs[2] == Gap("node", "band", 1, 0, 0, "clock", r[1].end_ns)


def test_the_time_that_lost_rows_took_is_not_a_jump_of_the_clock():
    r = rows(100)
    assert heard(r[0], r[50]) == [0, "lost 49", 50]
    assert heard(r[0], beat(49), r[50]) == [0, "lost 49", 50]
    assert heard(r[0], Gap("node", "band", 0, 49, None, "overflow", 1), r[50]) == [0, "overflow 49", 50]


def test_row_times_that_jitter_are_no_gaps():
    jitter = np.random.default_rng(1).uniform(-0.12, 0.12, 500)
    items = [shifted(row, int(part * SECOND)) for row, part in zip(rows(500, bins=2), jitter, strict=True)]
    assert drive(Continuity(), items) == items


@pytest.mark.parametrize("name", ["S06XX_2019-10-01-14-30.npz", "rf0XX_2019-10-01-14-30.npz"])
@pytest.mark.parametrize("leaps_s", [(), (-30,), (30,), (-3600, 3600), (56 * 31_557_600,)])
def test_the_row_times_of_a_real_receiver_are_no_gaps_and_each_leap_is_one(name, leaps_s, tmp_path):
    times_s = np.load(real(f"embers-orbcomm/{name}"))["time_unix"].astype(np.float64)
    for number, leap_s in enumerate(leaps_s, start=1):
        times_s[number * 4000 :] += leap_s
    times_ns = np.rint(times_s * 1e9).astype(np.int64)
    duration_ns = int(np.median(np.diff(times_ns)))
    row = rows(1, bins=2, duration_ns=duration_ns)[0]
    live = [replace(row, seq=seq, time_ns=int(time_ns)) for seq, time_ns in enumerate(times_ns)]
    outputs = drive(Continuity(), live)
    assert [item for item in outputs if isinstance(item, PsdFrame)] == live
    found = [(item.reason, item.after_seq) for item in outputs if isinstance(item, Gap)]
    assert found == [("clock", number * 4000 - 1) for number in range(1, len(leaps_s) + 1)]

    # In a recording a leap forwards is a hole: nothing numbers the rows that may have been there.
    path = write_recording(tmp_path / "band.npz", levels(len(times_s), 2), times=times_s)
    gaps = [item for item in drive(Continuity(), open_recording(path)) if isinstance(item, Gap)]
    reasons = ["clock" if leap_s < 0 else "source" for leap_s in leaps_s]
    assert [(gap.reason, gap.after_seq) for gap in gaps] == [
        (reason, number * 4000 - 1) for number, reason in enumerate(reasons, start=1)
    ]


def test_a_given_gap_is_passed_on_and_its_rows_are_not_counted_again():
    r = rows(20)
    overflow = Gap("node", "band", 1, 5, None, "overflow", r[1].end_ns)
    assert drive(Continuity(), [r[0], r[1], overflow, r[7]]) == [r[0], r[1], overflow, r[7]]
    assert heard(r[0], r[1], overflow, r[9]) == [0, 1, "overflow 5", "lost 2", 9]
    assert heard(r[0], r[1], overflow, r[7], r[9]) == [0, 1, "overflow 5", 7, "lost 1", 9]
    assert heard(r[0], r[1], overflow, overflow, r[12]) == [0, 1, "overflow 5", "overflow 5", 12]
    assert heard(r[0], r[1], overflow, beat(6), r[7]) == [0, 1, "overflow 5", 7]
    assert heard(r[0], r[1], overflow, beat(8), r[9]) == [0, 1, "overflow 5", "lost 2", 9]


def test_a_given_gap_of_an_unknown_number_explains_any_jump():
    r = rows(20)
    full = Gap("node", "band", 1, None, None, "overflow", r[1].end_ns)
    assert heard(r[0], r[1], full, r[9], r[11]) == [0, 1, "overflow None", 9, "lost 1", 11]


def test_a_hole_in_a_recording_has_used_up_no_numbers():
    r = rows(20)
    hole = Gap("node", "band", 1, 5, None, "source", r[1].end_ns)
    after = [shifted(row, 5 * SECOND) for row in r[2:4]]
    assert heard(r[0], r[1], hole, *after) == [0, 1, "source 5", 2, 3]
    assert heard(r[0], r[1], hole, r[4]) == [0, 1, "source 5", "lost 2", 4], "rows with numbers went as well"


def test_a_given_gap_does_not_hide_a_retune():
    r, new = rows(20), rows(20, gain_db=4.0)
    overflow = Gap("node", "band", 1, 5, None, "overflow", r[1].end_ns)
    assert heard(r[0], r[1], overflow, new[7]) == [0, 1, "overflow 5", "gain 0", 7]


def test_a_given_gap_before_the_first_row_dates_what_follows():
    r = rows(20)
    overflow = Gap("node", "band", -1, 2, None, "overflow", r[0].time_ns)
    outputs = drive(Continuity(), [beat(-1), overflow, beat(3), r[4]])
    assert outputs == [overflow, Gap("node", "band", -1, 2, None, "lost", r[0].time_ns), r[4]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_a_gap_in_its_place(bad):
    r = rows(6)
    items = [r[0], spoilt(r[1], bad), r[2], spoilt(r[4], bad, 0, bad), r[5]]
    before = items[1].power_db.copy()
    stage = Continuity()
    outputs = drive(stage, items)
    assert picture(outputs) == [0, "source 1", 2, "lost 1", "source 1", 5]
    assert outputs[1] == Gap("node", "band", 0, 1, None, "source", r[0].end_ns)
    assert outputs[4] == Gap("node", "band", 3, 1, None, "source", r[2].end_ns)
    assert stage.bad_rows == 2
    assert items[1].power_db.tobytes() == before.tobytes()


def test_a_bad_first_row_is_dated_by_itself():
    r = rows(2)
    outputs = drive(Continuity(), [spoilt(r[0], np.nan), r[1]])
    assert outputs == [Gap("node", "band", -1, 1, None, "source", r[0].time_ns), r[1]]


def test_each_run_of_bad_rows_is_told_once():
    r = rows(30)
    bad = [spoilt(row, np.nan, np.inf, -np.inf) for row in r]
    messages: list[str] = []
    stage = Continuity(messages.append)
    drive(stage, [r[16], bad[17], bad[18], bad[20], r[21], bad[22]])
    told = "NaN or infinite in 3 of 128 bins; the row is treated as a gap"
    assert messages == [
        f"node/band row 17 at 2027-01-15T08:00:17.000Z: {told}",
        f"node/band row 22 at 2027-01-15T08:00:22.000Z: {told}",
    ]
    assert stage.bad_rows == 4


def test_a_bad_row_still_shows_a_retune_and_a_restart():
    r, new, other = rows(6), rows(6, center_hz=1e6), rows(6, stream=8)
    items = [r[0], spoilt(new[1], np.nan), new[2], spoilt(other[0], np.nan), other[1]]
    assert heard(*items) == [0, "retuned 0", "source 1", 2, "restart None", "source 1", 1]


def test_it_is_a_stage():
    r = rows(30)
    assert_is_stage(Continuity, r, make_gap=lambda item: gap_before(item, lost_rows=0))


def lively() -> list[PsdFrame | Heartbeat]:
    r, new = rows(30), rows(30, stream=8, gain_db=2.0)
    return [
        *r[:5], r[4], r[3], beat(8), r[9], spoilt(r[10], np.nan), r[11], beat(12, ended=True), r[0], r[1],
        *new[:5], r[2], new[6], replace(new[7], lost_samples=4), shifted(new[8], 90 * SECOND),
    ]  # fmt: skip


def test_it_is_a_stage_whatever_happens():
    assert_is_stage(Continuity, lively())


def test_it_lasts_whatever_happens():
    full = Gap("node", "band", 7, None, None, "overflow", 5)
    items = lively()
    assert_lasts(Continuity, [beat(-1), *items[:11], full, *items[11:], full, rows(30, stream=8)[20]])


def test_reset_forgets_the_counts_too():
    r = rows(3)
    stage = Continuity()
    drive(stage, [r[0], r[0], spoilt(r[1], np.nan)])
    stage.reset()
    assert (stage.ignored, stage.bad_rows) == ({"duplicate": 0, "out_of_order": 0, "replaced": 0}, 0)


TEMPLATE = rows(60, bins=2)
BAD = spoilt(TEMPLATE[0], np.nan).power_db


@st.composite
def streams(draw, stream: int) -> tuple[int, list[PsdFrame | Heartbeat]]:
    """How many rows a stream had, and what is heard of it.

    Rows are lost, doubled, late, bad, of another gain; heartbeats come at any time, and a last one.
    """
    published = draw(st.integers(0, 40))
    fates = draw(
        st.lists(
            st.sampled_from(["comes", "comes", "comes", "lost", "twice", "late", "bad", "louder"]),
            min_size=published,
            max_size=published,
        )
    )
    announced = draw(st.sets(st.integers(0, 40)))
    events: list[PsdFrame | Heartbeat] = []
    late: list[PsdFrame] = []
    for seq, fate in enumerate(fates):
        gain_db = float(fates[: seq + 1].count("louder"))
        power_db = BAD if fate == "bad" else TEMPLATE[seq].power_db
        row = replace(TEMPLATE[seq], stream=stream, seq=seq, gain_db=gain_db, power_db=power_db)
        if fate == "late":
            late.append(row)
        elif fate != "lost":
            events += [row] * (2 if fate == "twice" else 1)
            if late and draw(st.booleans()):
                events.append(late.pop(0))
        if seq in announced:
            events.append(beat(seq, stream=stream))
    return published, [*events, *late, beat(published - 1, stream=stream, ended=True)]


def counted_from(events: list[PsdFrame | Heartbeat], *, dated: bool) -> int:
    """The first row that must be accounted for: the first heard, or the next one after a heartbeat.

    As long as nothing was heard that gives a date, each heartbeat moves the beginning.
    """
    start: int | None = None
    for item in events:
        if isinstance(item, Heartbeat):
            if start is None or not dated:
                start = max(start or 0, item.last_seq + 1)
        else:
            start = item.seq if start is None else start
            dated = dated or item.seq >= start
    assert start is not None
    return start


@settings(max_examples=400)
@given(st.tuples(streams(0), streams(1), streams(2)))
def test_every_row_published_is_passed_on_or_reported_lost_or_bad(lives):
    stage = Continuity()
    outputs: list[PsdFrame | Gap] = []
    expected = 0
    for published, events in lives:
        expected += published - counted_from(events, dated=bool(outputs))
        outputs += drive(stage, events)
    passed = [item for item in outputs if isinstance(item, PsdFrame)]
    bad = [item for item in outputs if isinstance(item, Gap) and item.reason == "source"]
    lost_rows = sum(item.lost_rows or 0 for item in outputs if isinstance(item, Gap))
    assert len(passed) + lost_rows == expected
    assert len(bad) == stage.bad_rows
    keys = [(item.stream, item.seq) for item in passed]
    assert keys == sorted(set(keys)), "a row was passed on twice, or out of its order"


def without_counts(stage: Continuity) -> dict[str, object]:
    return {name: value for name, value in stage.state().items() if name not in ("ignored", "bad_rows")}


@settings(max_examples=100, deadline=None)
@given(st.tuples(streams(0), streams(1), streams(0)), st.data())
def test_whoever_keeps_the_rows_and_the_state_where_the_place_moved_without_one_can_resume(lives, data):
    events = [event for _, heard_of_it in lives for event in heard_of_it]
    if data.draw(st.booleans()):  # publishers that were killed
        events = [event for event in events if isinstance(event, PsdFrame)]
    for _ in range(data.draw(st.integers(0, 3))):
        reason, lost_rows = data.draw(st.sampled_from([("overflow", 3), ("overflow", None), ("source", 2)]))
        full = Gap("node", "band", 0, lost_rows, None, reason, TEMPLATE[0].time_ns)
        events.insert(data.draw(st.integers(0, len(events))), full)
    lived, resumed = Continuity(), Continuity()
    for event in events:
        place = lived.place
        passed = [item for item in drive(lived, [event]) if isinstance(item, PsdFrame)]
        if passed:
            resumed.resume(*passed)
        elif lived.place != place:
            resumed.restore(json.loads(json.dumps(lived.state())))
        assert without_counts(resumed) == without_counts(lived)
        assert resumed.place == lived.place
