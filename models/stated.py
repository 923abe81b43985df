"""A state that is read back: each value there and of its kind, or one line that says what is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..pipeline.errors import BadInput
from ..pipeline.state import State

Scalar = TypeVar("Scalar", bound=np.generic)
Kind = TypeVar("Kind")


class Stated:
    """The values of one state by name. Everything raises BadInput that names the state and the value."""

    def __init__(self, of: str, state: State) -> None:
        self._of = of
        self._values = self._map("it", state)

    def __str__(self) -> str:
        return f"state of {self._of}"

    def value(self, name: str) -> Any:
        if name not in self._values:
            raise BadInput(f"{self}: lacks {name}")
        return self._values[name]

    def refuse(self, name: str, needed: str) -> BadInput:
        """The error for a value that is something else than `needed`."""
        value = self.value(name)
        if isinstance(value, list | tuple | dict | np.ndarray):
            value = f"{type(value).__name__} of {len(value)}"
        else:
            value = f"{value!r:.80}"
        return BadInput(f"{self}: {name} is {value}, needs {needed}")

    def same(self, name: str, ours: float | str) -> None:
        """The value has to be that of the object that is to be restored."""
        value = self.value(name)
        if not isinstance(value, int | float | str) or value != ours:
            raise self.refuse(name, repr(ours))

    def optional(self, name: str, read: Callable[[str], Kind]) -> Kind | None:
        """None, or what `read`, a method of this, makes of it."""
        return None if self.value(name) is None else read(name)

    def integer(self, name: str, least: int | None = None, most: int | None = None) -> int:
        value = self.value(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(name, "an integer")
        if least is not None and value < least:
            raise self.refuse(name, f"at least {least}")
        if most is not None and value > most:
            raise self.refuse(name, f"at most {most}")
        return value

    def number(self, name: str) -> float:
        value = self.value(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refuse(name, "a number")
        return value

    def text(self, name: str) -> str:
        value = self.value(name)
        if not isinstance(value, str):
            raise self.refuse(name, "text")
        return value

    def numbers(self, name: str, most: int) -> list[float]:
        """At most so many numbers."""
        values = self._list(name, most)
        if any(not isinstance(value, int | float) or isinstance(value, bool) for value in values):
            raise self.refuse(name, "numbers")
        return values

    def texts(self, name: str, most: int) -> list[str]:
        """At most so many texts."""
        values = self._list(name, most)
        if any(not isinstance(value, str) for value in values):
            raise self.refuse(name, "texts")
        return values

    def array(self, name: str, dtype: type[Scalar], shape: Sequence[int | None]) -> NDArray[Scalar]:
        """An array of this type and shape, None standing for any length. It may be read-only."""
        return self._array(name, self.value(name), dtype, shape)

    def arrays(self, name: str, dtype: type[Scalar], shape: Sequence[int | None]) -> list[NDArray[Scalar]]:
        """Any number of arrays of one type and shape."""
        return [self._array(name, each, dtype, shape) for each in self._list(name)]

    def named_arrays(
        self, name: str, dtype: type[Scalar] | None = None, shape: Sequence[int | None] = ()
    ) -> dict[str, NDArray[Any]]:
        """Arrays by name, all of one type and shape if these are given."""
        arrays = self.part(name)
        if dtype is None:
            for key, each in arrays.items():
                if not isinstance(each, np.ndarray):
                    raise BadInput(f"{self}: {name}.{key} is {type(each).__name__}, needs an array")
            return arrays
        return {key: self._array(f"{name}.{key}", each, dtype, shape) for key, each in arrays.items()}

    def part(self, name: str) -> dict[str, Any]:
        """The state of a part."""
        return self._map(name, self.value(name))

    def inner(self, name: str) -> Stated:
        """The state of a part, to be read here."""
        return Stated(f"{self._of}: {name}", self.value(name))

    def parts(self, name: str, most: int | None = None) -> list[Stated]:
        """The states in a list, at most so many."""
        return [Stated(f"{self._of}: {name}", each) for each in self._list(name, most)]

    def _map(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise BadInput(f"{self}: {name} is {type(value).__name__}, needs values by name")
        return value

    def _list(self, name: str, most: int | None = None) -> list[Any]:
        value = self.value(name)
        if not isinstance(value, list):
            raise self.refuse(name, "a list")
        if most is not None and len(value) > most:
            raise self.refuse(name, f"at most {most}")
        return value

    def _array(
        self, name: str, value: Any, dtype: type[Scalar], shape: Sequence[int | None]
    ) -> NDArray[Scalar]:
        wanted = f"{np.dtype(dtype)} [{', '.join('any' if n is None else str(n) for n in shape)}]"
        if not isinstance(value, np.ndarray):
            raise BadInput(f"{self}: {name} is {type(value).__name__}, needs {wanted}")
        fits = len(value.shape) == len(shape) and all(
            n is None or n == length for n, length in zip(shape, value.shape, strict=True)
        )
        if value.dtype != dtype or not fits:
            found = f"{value.dtype} {list(value.shape)}"
            raise BadInput(f"{self}: {name} is {found}, needs {wanted}")
        return value
