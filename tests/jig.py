"""The jig every stage of the route passes.

All items at once equal one at a time; inputs are left as they were; reset equals new; two stages do not
share memory; no output spans a gap. What lasts over a restart goes on as if there had been none.
"""

from __future__ import annotations

import copy
import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bandwatch.pipeline.frames import Gap, GapReason, History, PsdFrame
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.state import read_state, write_state

SECOND = 1_000_000_000


def same(left: Any, right: Any) -> bool:
    """Equal in type and in every field, arrays to the bit, NaN equal to NaN."""
    if type(left) is not type(right):
        return False
    if dataclasses.is_dataclass(left):
        return all(same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left))
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right or (left != left and right != right)


def assert_is_stage(
    make: Callable[[], Any],
    items: Sequence[Any],
    *,
    make_gap: Callable[[Any], Gap] | None = None,
    gap_forgets: bool = True,
) -> list[Any]:
    """Prove the contract of `pipeline/stage.py` for a stage; return what it made of all items.

    `make` builds a fresh stage; `items` are its inputs without gaps, enough for at least one output;
    `make_gap(item)` is a gap just before an item, its `time_ns` where nothing may reach across. With
    `gap_forgets` the stage must answer after a gap as a new one does.
    """
    before = copy.deepcopy(list(items))
    at_once = drive(make(), items)
    assert at_once, "the items given make the stage say nothing: nothing is proven"

    one, other = make(), make()
    singly: list[Any] = []
    for item in items:
        singly += one.push(item)
        other.push(item)
    assert same(singly, at_once), "one at a time differs from all at once"
    assert same(list(items), before), "the stage changed its inputs"

    one.reset()
    assert same(drive(one, items), at_once), "reset is not new"

    if make_gap is not None:
        for cut in sorted({1, len(items) // 3, len(items) // 2, len(items) - 1}):
            stage = make()
            drive(stage, items[:cut])
            gap = make_gap(items[cut])
            stage.gap(gap)
            after = drive(stage, items[cut:])
            if gap_forgets:
                assert same(after, drive(make(), items[cut:])), (
                    f"a gap before item {cut} left something behind"
                )
            early = [output for output in after if start_ns(output) < gap.time_ns]
            assert not early, f"{len(early)} outputs span the gap before item {cut}"
    return at_once


def assert_lasts(
    make: Callable[[], Any], items: Sequence[Any], *, moments: Iterable[int] | None = None
) -> None:
    """Prove that a stage stopped at any of `moments` (default: all) goes on as one that was not.

    `moments` are numbers of items, gaps among them, that the stage has had by then. The state goes through
    a file into a new stage, and straight into one that has been through everything; both must answer as
    the uninterrupted one does and end in the same state, and what came later must not have changed what
    was given.
    """
    assert drive(make(), items), "the items given make the stage say nothing: nothing is proven"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state")
        for moment in range(len(items) + 1) if moments is None else moments:
            whole, used, new = make(), make(), make()
            drive(whole, items[:moment])
            drive(used, items)
            given = whole.state()
            as_given = copy.deepcopy(given)
            write_state(path, given)
            for array in _arrays(given):
                assert not array.flags.writeable, f"after {moment} items the state holds a writeable array"
            used.restore(given)
            new.restore(read_state(path))
            expected = drive(whole, items[moment:])
            assert same(given, as_given), f"the state given after {moment} items was changed by later ones"
            end = _as_lists(whole.state())
            for stage in (new, used):
                again = drive(stage, items[moment:])
                assert same(again, expected), f"stopped after {moment} items it goes on otherwise"
                assert same(_as_lists(stage.state()), end), (
                    f"stopped after {moment} items it answers alike and knows something else"
                )


def _as_lists(value: Any) -> Any:
    """A state as a file gives it back: tuples are lists."""
    if isinstance(value, dict):
        return {name: _as_lists(each) for name, each in value.items()}
    return [_as_lists(each) for each in value] if isinstance(value, list | tuple) else value


def _arrays(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, dict):
        return [array for each in value.values() for array in _arrays(each)]
    return [array for each in value for array in _arrays(each)] if isinstance(value, list | tuple) else []


def start_ns(item: Any) -> int:
    """Where the time that an item rests on begins; an item of a kind that has no such time is an error.

    A history begins with its first step, a forecast and its score where the forecast was made.
    """
    if isinstance(item, History):
        return item.end_ns - round(len(item.values) * item.step_s * SECOND)
    for name in ("start_ns", "time_ns", "made_ns"):
        if hasattr(item, name):
            return getattr(item, name)
    assert hasattr(item, "frame"), f"a {type(item).__name__} has no known start: whether it spans a gap?"
    return start_ns(item.frame)


def rows(
    count: int,
    *,
    bins: int = 128,
    duration_ns: int = SECOND,
    seed: int = 0,
    floor_db: float = -100.0,
    **changes: Any,
) -> list[PsdFrame]:
    """Consecutive noisy rows of one band; `changes` are fields of every frame."""
    random = np.random.default_rng(seed)
    first_ns = 1_800_000_000 * SECOND
    frames = []
    for seq in range(count):
        power_db = (floor_db + random.normal(0, 1, bins)).astype(np.float32)
        power_db.flags.writeable = False
        fields = {
            "node": "node",
            "band": "band",
            "stream": 7,
            "seq": seq,
            "time_ns": first_ns + seq * duration_ns,
            "duration_ns": duration_ns,
            "center_hz": 868e6,
            "bin_hz": 187.5,
            "power_db": power_db,
            "unit": "dBm/bin",
        }
        frames.append(PsdFrame(**(fields | changes)))
    return frames


def gap_before(item: Any, reason: GapReason = "lost", lost_rows: int | None = 1) -> Gap:
    """A gap between an item of a band and the one before it."""
    frame = getattr(item, "frame", item)
    return Gap(
        node=frame.node,
        band=frame.band,
        after_seq=getattr(frame, "seq", 0) - 1,
        lost_rows=lost_rows,
        lost_samples=None,
        reason=reason,
        time_ns=start_ns(frame),
    )
