"""What a recording does not say of itself: `<file>.yaml` beside it, read strictly."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import cast

import yaml

from .errors import BadInput
from .frames import NS_PER_S, POWER_UNITS, PowerUnit
from .limits import LATEST_DAY, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ, NAME_LIMIT, is_name

LARGEST_BYTES = 64 * 1024
REQUIRED_KEYS = ("start", "step_seconds", "first_hz", "bin_hz", "unit")
ARRAY_KEYS = ("array", "dataset", "time_unix")

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ]+(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?"
    r"\s*(?:([Zz])|([+-])(\d\d?)(?::?(\d\d))?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The axes, unit and names of a recording. `first_hz` is the centre of column 0.

    `start_ns` and `step_ns` may be None only where `time_unix` names the array of row times; `array`
    (npz) and `dataset` (HDF5) name the matrix where the file holds several.
    """

    path: Path
    first_hz: float
    bin_hz: float
    unit: PowerUnit
    start_ns: int | None = None
    step_ns: int | None = None
    node: str | None = None
    band: str | None = None
    array: str | None = None
    dataset: str | None = None
    time_unix: str | None = None


def sidecar_path(recording: Path) -> Path:
    """`psd.npy` -> `psd.npy.yaml`, in the same folder."""
    return recording.with_name(recording.name + ".yaml")


def read_sidecar(recording: Path) -> Sidecar:
    """The sidecar of a recording; `BadInput` names the file, the key, the value and the limit."""
    path = sidecar_path(recording)
    texts = _texts(path, recording)
    for key in texts:
        if key not in _READERS:
            raise BadInput(f"{path}: unknown key '{key}'; {_nearest(key)}")
    values = {key: _READERS[key](path, key, text) for key, text in texts.items()}
    missing = [key for key in REQUIRED_KEYS if key not in values]
    if "time_unix" in values:
        missing = [key for key in missing if key not in ("start", "step_seconds")]
    if missing:
        instead = " (time_unix, the name of the array of row times, can stand for start and step_seconds)"
        raise BadInput(f"{path}: missing {', '.join(missing)}{instead if 'start' in missing else ''}")
    return Sidecar(
        path=path,
        first_hz=cast(float, values["first_hz"]),
        bin_hz=cast(float, values["bin_hz"]),
        unit=cast(PowerUnit, values["unit"]),
        start_ns=cast("int | None", values.get("start")),
        step_ns=cast("int | None", values.get("step_seconds")),
        **{key: cast("str | None", values.get(key)) for key in ("node", "band", *ARRAY_KEYS)},
    )


def checked_name(owner: str, key: str, text: str) -> str:
    """A node's or band's name: it travels in topics, labels and folder names. Raises `BadInput`."""
    if not is_name(text):
        raise BadInput(f"{owner}: {key}: '{text}'; limit: {NAME_LIMIT}")
    return text


def _texts(path: Path, recording: Path) -> dict[str, str]:
    """Every key and value as text: what YAML would make of `500.0e6`, `on` or `1:30` is not left to it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(
            f"{recording}: does not describe itself and has no sidecar; write {', '.join(REQUIRED_KEYS)} in"
            f" {path} (array, dataset or time_unix where needed; node and band to name it)"
        ) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > LARGEST_BYTES:
        raise BadInput(f"{path}: larger than {LARGEST_BYTES} bytes; limit: a few lines of 'key: value'")
    try:
        root = yaml.compose(raw.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is 0x{raw[error.start]:02x}; limit: UTF-8 text") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise BadInput(f"{path}: nested too deeply; limit: lines of 'key: value'") from None
    if not isinstance(root, yaml.MappingNode):
        kind = "nothing" if root is None else "a list or one value"
        raise BadInput(f"{path}: holds {kind}; limit: lines of 'key: value'")
    texts: dict[str, str] = {}
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            name = f"{key.value}: " if isinstance(key, yaml.ScalarNode) else ""
            raise BadInput(f"{path}: {name}a list or mapping; limit: one value a key")
        if key.value in texts:
            raise BadInput(f"{path}: '{key.value}' is given twice; limit: once")
        texts[key.value] = " ".join(value.value.split())
    return texts


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key, _READERS, n=1)
    return f"did you mean '{near[0]}'?" if near else f"limit: {', '.join(_READERS)}"


def _instant_ns(path: Path, key: str, text: str) -> int:
    """Nanoseconds since 1970, exact to the last digit given."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise BadInput(f"{path}: {key}: '{text}'; limit: a UTC time such as 2026-01-31T12:00:00Z")
    day, clock, fraction, zulu, sign, hours, minutes = found.groups()
    if not zulu and not sign:
        raise BadInput(f"{path}: {key}: '{text}' has no time zone; limit: end it with Z (UTC) or +HH:MM")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInput(f"{path}: {key}: '{text}': {error}") from None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        moment -= offset if sign == "+" else -offset
    since = moment - _EPOCH
    start_ns = (since.days * 86_400 + since.seconds) * NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not 0 <= start_ns <= LATEST_NS:
        raise BadInput(f"{path}: {key}: '{text}'; limit: from 1970 to {LATEST_DAY}")
    return start_ns


def _number(path: Path, key: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise BadInput(f"{path}: {key}: '{text}'; limit: a finite number")
    return number


def _step_ns(path: Path, key: str, text: str) -> int:
    # Decimal: 0.1 s is 100 000 000 ns, whatever binary fractions make of it.
    step_ns = round(min(max(_number(path, key, text), Decimal(-1)), Decimal(LATEST_NS)) * NS_PER_S)
    if not 0 < step_ns <= LATEST_NS:
        most = LATEST_NS // NS_PER_S
        raise BadInput(f"{path}: {key}: {text}; limit: above 0, in seconds, at least 1e-9, at most {most}")
    return step_ns


def _hz(path: Path, key: str, text: str) -> float:
    hz = float(_number(path, key, text))
    if not abs(hz) <= MOST_CENTER_HZ:
        raise BadInput(f"{path}: {key}: {text}; limit: -{MOST_CENTER_HZ:g} to {MOST_CENTER_HZ:g} Hz")
    return hz


def _bin_hz(path: Path, key: str, text: str) -> float:
    hz = float(_number(path, key, text))
    if hz <= 0:
        raise BadInput(f"{path}: {key}: {text}; limit: above 0, columns run from low to high frequency")
    if hz > MOST_STEP_HZ:
        raise BadInput(f"{path}: {key}: {text}; limit: at most {MOST_STEP_HZ:g} Hz")
    return hz


def _unit(path: Path, key: str, text: str) -> str:
    if text not in POWER_UNITS:
        raise BadInput(f"{path}: {key}: '{text}'; limit: {', '.join(POWER_UNITS)}")
    return text


def _name(path: Path, key: str, text: str) -> str:
    return checked_name(str(path), key, text)


def _text(path: Path, key: str, text: str) -> str:
    if not text:
        raise BadInput(f"{path}: {key}: empty; limit: a name")
    return text


_READERS: dict[str, Callable[[Path, str, str], str | int | float]] = {
    "start": _instant_ns,
    "step_seconds": _step_ns,
    "first_hz": _hz,
    "bin_hz": _bin_hz,
    "unit": _unit,
    "node": _name,
    "band": _name,
    "array": _text,
    "dataset": _text,
    "time_unix": _text,
}
