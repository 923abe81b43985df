"""One receive stream of one SoapySDR device, read safely."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Literal, Self

import numpy as np

from .errors import BadInput
from .frames import Complex64, read_only
from .soapy_bindings import load_bindings
from .soapy_settings import RadioSettings, apply_settings, device_arguments

_READ_TIMEOUT_US = 100_000
_MOST_SAMPLES = 1 << 20


class RadioLost(Exception):
    """The device cannot go on; it may after closing and opening it again. The message is one line."""


@dataclass(frozen=True, slots=True)
class RadioState:
    """What the driver says it really does; `gain_db` is None where it has no gain to set."""

    sample_rate_hz: float
    center_hz: float
    gain_db: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one read gave.

    `samples` complex64 [n], read-only, the caller's own; empty where `event` tells why. `device_ns` is the
    device's time of the first sample where the driver has one. With `cut_short` the receiver overflowed
    right after these samples.
    """

    samples: Complex64
    event: Literal["timeout", "overflow", "corruption"] | None = None
    device_ns: int | None = None
    cut_short: bool = False


_NOTHING = read_only(np.empty(0, np.complex64))


class SoapyRadio:
    """An open and running radio; a context manager that closes it.

    Only the device that is named is opened. `read` and `close` exclude each other, since drivers crash
    where a stream is closed under a reader: `close` may be called from another thread and waits for the
    read under way, at most about 0.1 s.

    Raises BadInput where the bindings or the driver are not installed or a setting is refused; RadioLost
    where the device is not there or does not start. `on_problem` is told what goes wrong while closing.
    """

    def __init__(self, settings: RadioSettings, *, on_problem: Callable[[str], None]) -> None:
        self._soapy: ModuleType = load_bindings()
        self._settings = settings
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._stream: Any = None
        try:
            self._device: Any = self._soapy.Device(device_arguments(settings.device))
        except RuntimeError as error:
            reason = _one_line(error)
            if reason.endswith("no match"):
                # SoapySDR's own words where it knows no such driver.
                raise BadInput(f"{self._name} cannot be opened: its driver is not installed") from error
            raise RadioLost(f"{self._name} cannot be opened: {reason}") from error
        try:
            self._start()
            self.state = self.read_back()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self) -> Reading:
        """Wait at most about 0.1 s for samples. Raises RadioLost."""
        with self._lock:
            if self._stream is None:
                raise RadioLost(f"{self._name} is closed")
            try:
                result = self._device.readStream(
                    self._stream, [self._buffer], len(self._buffer), 0, _READ_TIMEOUT_US
                )
            except RuntimeError as error:
                raise RadioLost(f"{self._name}: reading fails: {_one_line(error)}") from error
            return self._reading(result)

    def read_back(self) -> RadioState:
        """Ask the driver for rate, frequency and gain; `state` is then what it answered. Raises RadioLost."""
        rx, channel, device = self._soapy.SOAPY_SDR_RX, int(self._settings.channel), self._device
        with self._lock:
            if device is None:
                raise RadioLost(f"{self._name} is closed")
            try:
                self.state = RadioState(
                    sample_rate_hz=float(device.getSampleRate(rx, channel)),
                    center_hz=float(device.getFrequency(rx, channel)),
                    gain_db=float(device.getGain(rx, channel)) if device.listGains(rx, channel) else None,
                )
            except RuntimeError as error:
                raise RadioLost(f"{self._name}: asking its state fails: {_one_line(error)}") from error
            if not (math.isfinite(self.state.sample_rate_hz) and self.state.sample_rate_hz > 0):
                raise RadioLost(f"{self._name}: the driver says its rate is {self.state.sample_rate_hz}")
            return self.state

    def close(self) -> None:
        """Stop the stream and let the device go; a second time does nothing. Raises nothing."""
        with self._lock:
            device, stream = self._device, self._stream
            self._device = self._stream = None
            if stream is not None:
                self._attempt("stopping its stream", lambda: device.deactivateStream(stream))
                self._attempt("closing its stream", lambda: device.closeStream(stream))
            if device is not None:
                self._attempt("letting it go", device.close)

    @property
    def _name(self) -> str:
        return f"radio {self._settings.device!r}"

    def _start(self) -> None:
        soapy, device, channel = self._soapy, self._device, int(self._settings.channel)
        try:
            apply_settings(device, soapy.SOAPY_SDR_RX, self._settings)
            formats = device.getStreamFormats(soapy.SOAPY_SDR_RX, channel)
            if formats and soapy.SOAPY_SDR_CF32 not in formats:
                raise BadInput(f"{self._name}: its stream formats are {', '.join(formats)}: CF32 is needed")
            stream = device.setupStream(soapy.SOAPY_SDR_RX, soapy.SOAPY_SDR_CF32, [channel])
            if stream is None:
                raise RadioLost(f"{self._name}: the driver gives no stream")
            self._stream = stream
            samples = min(max(1, device.getStreamMTU(stream)), _MOST_SAMPLES)
            # The driver writes here through a bare pointer: the buffer must be contiguous complex64, and
            # no read may ask for more than it holds.
            self._buffer: Complex64 = np.zeros(samples, np.complex64)
            code = device.activateStream(stream)
        except RuntimeError as error:
            raise RadioLost(f"{self._name}: its stream does not start: {_one_line(error)}") from error
        if code != 0:
            raise RadioLost(f"{self._name}: its stream does not start: {soapy.errToStr(code)}")

    def _reading(self, result: Any) -> Reading:
        soapy, count = self._soapy, int(result.ret)
        if count > len(self._buffer):
            raise RadioLost(f"{self._name}: the driver wrote {count} samples where {len(self._buffer)} fit")
        if count > 0:
            return Reading(
                samples=read_only(self._buffer[:count].copy()),
                device_ns=int(result.timeNs) if result.flags & soapy.SOAPY_SDR_HAS_TIME else None,
                cut_short=bool(result.flags & soapy.SOAPY_SDR_END_ABRUPT),
            )
        if count in (0, soapy.SOAPY_SDR_TIMEOUT):
            return Reading(_NOTHING, "timeout")
        if count == soapy.SOAPY_SDR_OVERFLOW:
            return Reading(_NOTHING, "overflow")
        if count == soapy.SOAPY_SDR_CORRUPTION:
            return Reading(_NOTHING, "corruption")
        raise RadioLost(f"{self._name}: reading fails: {soapy.errToStr(count)} ({count})")

    def _attempt(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except RuntimeError as error:
            self._on_problem(f"{self._name}: {what} fails: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
