"""What a radio is asked for, held against what its driver allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from .errors import BadInput


@dataclass(frozen=True, slots=True)
class RadioSettings:
    """One receive channel of one named device.

    `device` is `key=value,key=value` with `driver` among the keys. `gain` is a total in dB, named stages
    in dB, "automatic", or None for what the driver starts with; automatic gain is off unless asked for.
    `settings` are the driver's own, by key.
    """

    device: str
    sample_rate_hz: float
    center_hz: float
    bandwidth_hz: float | None = None
    gain: float | Mapping[str, float] | Literal["automatic"] | None = None
    antenna: str | None = None
    channel: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


class Range(Protocol):
    """A SoapySDR range."""

    def minimum(self) -> float: ...
    def maximum(self) -> float: ...


def device_arguments(device: str) -> dict[str, str]:
    """`driver=rtlsdr,serial=1` as a mapping; raises BadInput where no driver is named.

    Without a driver SoapySDR would search all of them, on the network too, and take the first it finds.
    """
    arguments = key_values(device)
    if "driver" not in arguments:
        raise BadInput(f"radio device is {device!r}: must name its driver, such as driver=rtlsdr")
    return arguments


def key_values(device: str) -> dict[str, str]:
    """`key=value,key=value` as a mapping; raises BadInput where it is not that."""
    arguments: dict[str, str] = {}
    for pair in device.split(","):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (key and equals and value):
            raise BadInput(f"radio device is {device!r}: must be key=value,key=value, found {pair!r}")
        if key in arguments:
            raise BadInput(f"radio device is {device!r}: has {key} twice")
        arguments[key] = value
    return arguments


def in_words(ranges: Iterable[Range]) -> str:
    """Ranges as `250000..1000000, 2000000`."""
    return ", ".join(
        f"{r.minimum():.12g}" if r.minimum() == r.maximum() else f"{r.minimum():.12g}..{r.maximum():.12g}"
        for r in ranges
    )


def apply_settings(device: Any, rx: int, asked: RadioSettings) -> None:
    """Set up an open SoapySDR device; `rx` is its receive direction.

    Everything is checked before it is set, and handed over as Python's own int and float: the bindings
    refuse numpy's. Raises BadInput naming the key, the value and the driver's limit.
    """
    channel = int(asked.channel)
    channels = device.getNumChannels(rx)
    if not 0 <= channel < channels:
        raise _refused(asked, "channel", channel, f"the driver has {channels}, counted from 0")

    if asked.antenna is not None:
        _check_name(asked, "antenna", asked.antenna, device.listAntennas(rx, channel))
        with _setting(asked, "antenna", asked.antenna):
            device.setAntenna(rx, channel, str(asked.antenna))

    _apply_own_settings(device, rx, channel, asked)

    rate = _check_number(
        asked, "sample_rate_hz", asked.sample_rate_hz, device.getSampleRateRange(rx, channel)
    )
    with _setting(asked, "sample_rate_hz", rate):
        device.setSampleRate(rx, channel, rate)

    if asked.bandwidth_hz is not None:
        width = _check_number(
            asked, "bandwidth_hz", asked.bandwidth_hz, device.getBandwidthRange(rx, channel)
        )
        with _setting(asked, "bandwidth_hz", width):
            device.setBandwidth(rx, channel, width)

    center = _check_number(asked, "center_hz", asked.center_hz, device.getFrequencyRange(rx, channel))
    with _setting(asked, "center_hz", center):
        device.setFrequency(rx, channel, center)

    _apply_gain(device, rx, channel, asked)


def _apply_gain(device: Any, rx: int, channel: int, asked: RadioSettings) -> None:
    gain = asked.gain
    has_automatic = device.hasGainMode(rx, channel)
    if isinstance(gain, str):
        if gain != "automatic":
            raise _refused(asked, "gain", gain, "must be a number of dB, named stages or 'automatic'")
        if not has_automatic:
            raise _refused(asked, "gain", gain, "the driver has no automatic gain")
    with _setting(asked, "gain", gain):
        if has_automatic:
            device.setGainMode(rx, channel, isinstance(gain, str))
        if isinstance(gain, Mapping):
            for stage, value in gain.items():
                _check_name(asked, "gain stage", stage, device.listGains(rx, channel))
                limit = device.getGainRange(rx, channel, str(stage))
                decibels = _check_number(asked, f"gain {stage}", value, [limit], above=-math.inf)
                device.setGain(rx, channel, str(stage), decibels)
        elif gain is not None and not isinstance(gain, str):
            limit = device.getGainRange(rx, channel)
            device.setGain(rx, channel, _check_number(asked, "gain", gain, [limit], above=-math.inf))


def _apply_own_settings(device: Any, rx: int, channel: int, asked: RadioSettings) -> None:
    of_device = {info.key: info for info in device.getSettingInfo()}
    of_channel = {info.key: info for info in device.getSettingInfo(rx, channel)}
    for key, value in asked.settings.items():
        name = f"settings.{key}"
        info = of_device.get(key) or of_channel.get(key)
        if info is None:
            known = ", ".join([*of_device, *of_channel]) or "none"
            raise _refused(asked, name, value, f"the driver has no such setting (it has: {known})")
        if info.options:
            _check_name(asked, name, value, info.options)
        elif info.type in (info.INT, info.FLOAT) and info.range.minimum() < info.range.maximum():
            _check_number(asked, name, value, [info.range], above=-math.inf)
        with _setting(asked, name, value):
            where = () if key in of_device else (rx, channel)
            device.writeSetting(*where, str(key), str(value))


def _check_name(asked: RadioSettings, key: str, value: str, names: Iterable[str]) -> None:
    known = list(names)
    if value not in known:
        raise _refused(asked, key, value, f"the driver has {', '.join(known) or 'none'}")


def _check_number(
    asked: RadioSettings, key: str, value: float | str, ranges: Iterable[Range], above: float = 0
) -> float:
    """The value as a float; a driver that names no ranges is trusted to refuse by itself."""
    try:
        number = float(value)
    except ValueError:
        raise _refused(asked, key, value, "must be a number") from None
    limits = list(ranges)
    if limits and not any(limit.minimum() <= number <= limit.maximum() for limit in limits):
        raise _refused(asked, key, f"{number:.12g}", f"the driver takes {in_words(limits)}")
    if not (math.isfinite(number) and number > above):
        raise _refused(asked, key, f"{number:.12g}", "must be a finite number above 0")
    return number


@contextmanager
def _setting(asked: RadioSettings, key: str, value: object) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise _refused(asked, key, value, f"the driver says {' '.join(str(error).split())!r}") from error


def _refused(asked: RadioSettings, key: str, value: object, limit: str) -> BadInput:
    return BadInput(f"radio {asked.device!r}: {key} is {value}: {limit}")
