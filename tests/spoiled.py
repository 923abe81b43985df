"""A state with something wrong in it: refused in one line, and the object is as a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.jig import same

_WRONG = (None, "x", -1, 10**6, 0.5, [], {}, np.zeros((1, 2, 3), np.float32))
_MISSING = object()


def assert_refuses_spoiled(
    make: Callable[[], Any], state: dict[str, Any], *, any_names: tuple[str, ...] = ()
) -> None:
    """Take away each value of a state in turn, and put each wrong one in its place.

    What lacks a value must be refused, except in lists and the maps of `any_names`; what has another one
    must be refused or taken, and nothing else.
    """
    make().restore(state)
    new = make().state()
    for path in _paths(state):
        for wrong in (_MISSING, *_WRONG):
            other = make()
            spoiled = _with(state, path, wrong)
            try:
                other.restore(spoiled)
            except BadInput as refusal:
                assert "\n" not in str(refusal)
                assert same(other.state(), new), f"{path} = {wrong!r} was refused and left something behind"
            else:
                may_lack = isinstance(path[-1], int) or (len(path) > 1 and path[-2] in any_names)
                assert wrong is not _MISSING or may_lack, f"{path} was not missed"


def assert_refuses(make: Callable[[], Any], state: dict[str, Any], message: str) -> None:
    """A state is refused with this very message, and the object is as a new one."""
    stage = make()
    with pytest.raises(BadInput) as refused:
        stage.restore(state)
    assert str(refused.value) == message
    assert same(stage.state(), make().state())


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _paths(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value[:2]):
            yield from _paths(each, (*path, index))


def _with(state: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    """A copy of a state with one value taken out or replaced; what is not touched is shared."""
    if not path:
        return wrong
    changed = state.copy()
    if len(path) == 1 and wrong is _MISSING:
        del changed[path[0]]
    else:
        changed[path[0]] = _with(state[path[0]], path[1:], wrong)
    return changed
