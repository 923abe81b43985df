"""Every setting of the agent: its type, limits and default."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

NAME_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"


ENDPOINT_PATTERN = r"^(tcp://[^/:]+:[0-9]{1,5}|tcp://\[[^\]]+\]:[0-9]{1,5}|ipc:///?[^/].*)$"


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("input should be a number")  # noqa: TRY004 - what pydantic reports as a mistake
    return value


Decibels = Annotated[float, BeforeValidator(_no_bool)]


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "node"


class Node(Section):
    name: str = Field(default_factory=_host_name, pattern=NAME_PATTERN)


class SimulatorSource(Section):
    kind: Literal["simulator"]
    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    scene: Literal["default", "logatec", "wide", "varied", "broad", "strange"] = "default"
    backfill_seconds: float = Field(default=1800.0, ge=0, le=7 * 86_400)
    backfill_speed: float = Field(default=60.0, gt=1, le=1000)


class RadioSource(Section):
    kind: Literal["radio"]
    device: str = Field(min_length=1)
    center_hz: float = Field(gt=0, le=300e9)
    sample_rate_hz: float = Field(gt=0, le=1e9)
    bandwidth_hz: float | None = Field(default=None, gt=0, le=1e9)
    gain_db: Decibels | Literal["automatic"] | dict[str, Decibels] | None = None
    antenna: str | None = None
    channel: int = Field(default=0, ge=0, le=63)
    silence_seconds: float = Field(default=3.0, ge=0.5, le=600)


class StreamSource(Section):
    kind: Literal["stream"]
    endpoint: str = Field(pattern=ENDPOINT_PATTERN)
    node: str | None = Field(default=None, pattern=NAME_PATTERN)


SourceKind = Literal["simulator", "radio", "stream"]
Source = Annotated[SimulatorSource | RadioSource | StreamSource, Field(discriminator="kind")]


class Psd(Section):
    bins: int = Field(default=1024, ge=32, le=65_536)
    overlap: float = Field(default=0.5, ge=0, lt=1)
    frames_per_row: int = Field(default=256, ge=1, le=1_000_000)
    window: Literal["hann", "flattop"] = "hann"
    hold: Literal["mean", "max"] = "mean"
    engine: Literal["auto", "fftw", "scipy", "torch"] = "auto"
    threads: int = Field(default=1, ge=1, le=256)


class Segments(Section):
    stride_rows: int = Field(default=16, ge=1, le=128)


class History(Section):
    step_seconds: float = Field(default=60.0, ge=1, le=86_400)
    season_days: float = Field(default=8.0, ge=0, le=31)
    idle_margin_db: Decibels = Field(default=6.0, ge=0, le=100)


class Mask(Section):
    ranges_hz: tuple[tuple[float, float], ...] = ()
    dc_bins: int | None = Field(default=None, ge=0, le=64)

    @field_validator("ranges_hz")
    @classmethod
    def _low_before_high(cls, ranges: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        for low_hz, high_hz in ranges:
            if low_hz > high_hz:
                raise ValueError(f"[{low_hz:g}, {high_hz:g}]: the low end comes first")
        return ranges


class Band(Section):
    name: str = Field(pattern=NAME_PATTERN)
    source: Source | None = None
    psd: Psd = Psd()
    segments: Segments = Segments()
    history: History = History()
    mask: Mask = Mask()


class Models(Section):
    bundle: Path | Literal["shipped"] = "shipped"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    threads: int | None = Field(default=None, ge=1, le=256)
    warm_up_windows: int = Field(default=96, ge=24, le=100_000)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)


class Forecast(Section):
    refit_hours: float = Field(default=6.0, ge=0, le=744)
    refit_days: float = Field(default=8.0, gt=0, le=31)
    refit_most_seconds: float = Field(default=1800.0, ge=1, le=86_400)


class Explain(Section):
    enabled: bool = True
    period_seconds: float = Field(default=3600.0, ge=1, le=31 * 86_400)
    forecast_hours: float = Field(default=24.0, gt=0, le=744)
    most_windows: int = Field(default=2048, ge=64, le=16_384)
    most_seconds: float = Field(default=900.0, ge=1, le=86_400)


class Store(Section):
    directory: Path = Path("~/.local/state/bandwatch")
    enabled: bool = True
    flush_seconds: float = Field(default=10.0, ge=0.1, le=3600)
    most_bytes: int = Field(default=10_000_000_000, ge=10_000_000)
    most_days: float = Field(default=30.0, gt=0, le=36_500)
    keep_free_bytes: int = Field(default=500_000_000, ge=0)


class Transport(Section):
    endpoint: str | None = Field(default=None, pattern=ENDPOINT_PATTERN)
    queue_frames: int = Field(default=1024, ge=16, le=1_000_000)


class Server(Section):
    enabled: bool = True
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9746, ge=0, le=65_535)


class Logging(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(Section):
    """The whole of it; `config/reference.yaml` documents every key."""

    node: Node = Field(default_factory=Node)
    bands: tuple[Band, ...] = ()
    models: Models = Models()
    forecast: Forecast = Forecast()
    explain: Explain = Explain()
    store: Store = Store()
    transport: Transport = Transport()
    server: Server = Server()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _bands_differ(self) -> Settings:
        names = [band.name for band in self.bands]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"bands: the name {twice[0]!r} stands twice; each band needs its own")
        return self

    def band(self, name: str) -> Band:
        """Settings of a band; shipped defaults where it has none."""
        return next((band for band in self.bands if band.name == name), Band(name=name))
