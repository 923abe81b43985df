"""What a recording does not say of itself: `<file>.yaml` beside it, read strictly."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from .errors import BadInput
from .frames import NS_PER_S, POWER_UNITS, PowerUnit
from .limits import LATEST_DAY, LATEST_NS, MOST_CENTER_HZ, MOST_STEP_HZ, NAME_LIMIT, is_name

LARGEST_BYTES = 64 * 1024
MATRIX_KEYS = ("start", "step_seconds", "first_hz", "bin_hz", "unit")

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ]+(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?"
    r"\s*(?:([Zz])|([+-])(\d\d?)(?::?(\d\d))?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What the sidecar says: None where it says nothing, everything None where there is none.

    Matrices of power: `first_hz` is the centre of column 0; `start_ns` and `step_ns` may be None where
    `time_unix` names the array of row times; `array` (npz) and `dataset` (HDF5) name the matrix where the
    file holds several. IQ: `format` (how the samples stand), `sample_rate_hz`, `center_hz`, `start_ns`.
    `time_zone` is that of local times. `given` are the keys that it holds.
    """

    path: Path
    given: tuple[str, ...] = ()
    node: str | None = None
    band: str | None = None
    format: str | None = None
    start_ns: int | None = None
    step_ns: int | None = None
    first_hz: float | None = None
    bin_hz: float | None = None
    unit: PowerUnit | None = None
    array: str | None = None
    dataset: str | None = None
    time_unix: str | None = None
    sample_rate_hz: float | None = None
    center_hz: float | None = None
    time_zone: ZoneInfo | None = None


def sidecar_path(recording: Path) -> Path:
    """`psd.npy` -> `psd.npy.yaml`, in the same folder."""
    return recording.with_name(recording.name + ".yaml")


def read_sidecar(recording: Path) -> Sidecar:
    """The sidecar of a recording; `BadInput` names the file, the key, the value and the limit."""
    path = sidecar_path(recording)
    texts = _texts(path)
    for key in texts:
        if key not in _READERS:
            raise BadInput(f"{path}: unknown key '{key}'; {_nearest(key, _READERS)}")
    values = {_FIELDS.get(key, key): _READERS[key](path, key, text) for key, text in texts.items()}
    return Sidecar(path, tuple(texts), **values)


def check_keys(
    recording: Path, sidecar: Sidecar, format_name: str, keys: Sequence[str], required: Sequence[str]
) -> None:
    """`BadInput` where the sidecar has keys that mean nothing to the recording's format, or lacks some.

    With `time_unix` neither `start` nor `step_seconds` is required.
    """
    for key in sidecar.given:
        if key not in keys:
            hint = _nearest(key, keys)
            raise BadInput(f"{sidecar.path}: '{key}' says nothing of a {format_name} recording; {hint}")
    missing = [key for key in required if key not in sidecar.given]
    if sidecar.time_unix is not None:
        missing = [key for key in missing if key not in ("start", "step_seconds")]
    if not missing:
        return
    if not sidecar.given:
        optional = ", ".join(key for key in keys if key not in required)
        raise BadInput(
            f"{recording}: does not describe itself and has no sidecar; write {', '.join(required)} in"
            f" {sidecar.path} (where needed: {optional})"
        )
    instead = ""
    if "start" in missing and "time_unix" in keys:
        instead = " (time_unix, the name of the array of row times, can stand for start and step_seconds)"
    raise BadInput(f"{sidecar.path}: missing {', '.join(missing)}{instead}")


def checked_name(owner: str, key: str, text: str) -> str:
    """A node's or band's name: it travels in topics, labels and folder names. Raises `BadInput`."""
    if not is_name(text):
        raise BadInput(f"{owner}: {key}: '{text}'; limit: {NAME_LIMIT}")
    return text


def _texts(path: Path) -> dict[str, str]:
    """Every key and value as text: what YAML would make of `500.0e6`, `on` or `1:30` is not left to it."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return {}
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


def _nearest(key: str, keys: Iterable[str]) -> str:
    keys = list(keys)
    near = difflib.get_close_matches(key, keys, n=1)
    return f"did you mean '{near[0]}'?" if near else f"limit: {', '.join(keys)}"


def _instant_ns(path: Path, key: str, text: str) -> int:
    return instant_ns(f"{path}: {key}", text)


def instant_ns(owner: str, text: str) -> int:
    """ISO 8601 as nanoseconds since 1970, exact to the last digit given; `BadInput` names `owner`."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise BadInput(f"{owner}: '{text}'; limit: a UTC time such as 2026-01-31T12:00:00Z")
    day, clock, fraction, zulu, sign, hours, minutes = found.groups()
    if not zulu and not sign:
        raise BadInput(f"{owner}: '{text}' has no time zone; limit: end it with Z (UTC) or +HH:MM")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInput(f"{owner}: '{text}': {error}") from None
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        moment -= offset if sign == "+" else -offset
    since = moment - _EPOCH
    start_ns = (since.days * 86_400 + since.seconds) * NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not 0 <= start_ns <= LATEST_NS:
        raise BadInput(f"{owner}: '{text}'; limit: from 1970 to {LATEST_DAY}")
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


def _sample_rate(path: Path, key: str, text: str) -> float:
    hz = float(_number(path, key, text))
    if not 0 < hz <= MOST_STEP_HZ:
        raise BadInput(f"{path}: {key}: {text}; limit: above 0, at most {MOST_STEP_HZ:g} samples a second")
    return hz


def time_zone(owner: str, text: str) -> ZoneInfo:
    """A time zone by its IANA name, such as Europe/Madrid; `BadInput` names `owner`."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"{owner}: '{text}'; limit: a zone's name such as Europe/Madrid or UTC") from None


def _time_zone(path: Path, key: str, text: str) -> ZoneInfo:
    return time_zone(f"{path}: {key}", text)


_READERS: dict[str, Callable[[Path, str, str], Any]] = {
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
    "format": _text,
    "sample_rate_hz": _sample_rate,
    "center_hz": _hz,
    "time_zone": _time_zone,
}
_FIELDS = {"start": "start_ns", "step_seconds": "step_ns"}
