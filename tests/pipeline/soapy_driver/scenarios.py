"""What the tests have done with the test receiver, in the process that knows it."""

import itertools
import sys
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from typer.testing import CliRunner

from bandwatch.agent.commands.devices import devices_command
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap, IqBlock, PsdFrame
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.pipeline.radio_source import RadioSource
from bandwatch.pipeline.soapy import RadioLost, SoapyRadio
from bandwatch.pipeline.soapy_bindings import load_bindings
from bandwatch.pipeline.soapy_settings import RadioSettings

NOW_NS = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


def bindings_problem():
    """Why the bindings cannot be loaded here, or None."""
    try:
        load_bindings()
    except BadInput as problem:
        return str(problem)
    return None


def environment_after_loading():
    """Where numpy comes from and what is on sys.path once the bindings are there."""
    soapy = load_bindings()
    return {"numpy": np.__file__, "path": sys.path, "again": load_bindings() is soapy, "file": soapy.__file__}


def radio_settings(more="", **changes):
    """Settings for the test receiver; `more` are further keys of its device string."""
    fields = {
        "device": "driver=bandwatchtest" + (f",{more}" if more else ""),
        "sample_rate_hz": 1e6,
        "center_hz": 868e6,
    }
    return RadioSettings(**(fields | changes))


@dataclass
class Heard:
    """What a source gave, and what it told of itself."""

    items: list
    troubles: list = field(default_factory=list)
    overflows: int = 0
    reopenings: int = 0
    seconds: float = 0.0
    all_read_only: bool = True

    @property
    def frames(self):
        return [item for item in self.items if isinstance(item, PsdFrame)]

    @property
    def blocks(self):
        return [item for item in self.items if isinstance(item, IqBlock)]

    @property
    def gaps(self):
        return [item for item in self.items if isinstance(item, Gap)]


def listen(
    more="",
    *,
    until=8,
    settings=None,
    spectrum=None,
    blocks=False,
    clock=None,
    tick=0.0,
    stop_after=None,
    **options,
):
    """Iterate a source until it has given `until` frames (or blocks), then leave it.

    `clock` are the host's times in ns, one a read, else always NOW_NS; `tick` seconds pass at each look
    at the monotonic clock, or real time where it is 0; `stop_after` seconds of real time `stop` is called.
    """
    times = iter(clock) if clock is not None else itertools.repeat(NOW_NS)
    ticks = itertools.count(0.0, tick)
    heard = Heard([])
    source = RadioSource(
        radio_settings(more, **(settings or {})),
        PowerSpectrum(**({"bins": 64, "frames_per_row": 62} | (spectrum or {}))),
        node="node",
        band="band",
        stream=7,
        clock_ns=lambda: next(times),
        monotonic=(lambda: next(ticks)) if tick else time.monotonic,
        on_trouble=heard.troubles.append,
        **({"silence_seconds": 0.3, "retry_seconds": (0.01, 0.04)} | options),
    )
    began = time.monotonic()
    if stop_after is not None:
        threading.Timer(stop_after, source.stop).start()
    iterator = iter(source.blocks() if blocks else source)
    for item in iterator:
        heard.items.append(item)
        array = getattr(item, "samples", getattr(item, "power_db", None))
        heard.all_read_only &= array is None or not array.flags.writeable
        if len(heard.blocks if blocks else heard.frames) >= until:
            break
    iterator.close()
    heard.seconds = time.monotonic() - began
    heard.overflows, heard.reopenings = source.overflows, source.reopenings
    return heard


def opened(more="", **changes):
    """Open a radio with these settings, close it again; what it said of itself."""
    with SoapyRadio(radio_settings(more, **changes), on_problem=print) as radio:
        return radio.state


def close_while_reading(more, seconds):
    """One thread reads as fast as it can, another closes; what ended the reader."""
    radio = SoapyRadio(radio_settings(more), on_problem=print)
    ended = []

    def read_on():
        try:
            while True:
                radio.read()
        except RadioLost as end:
            ended.append(str(end))

    reader = threading.Thread(target=read_on)
    reader.start()
    time.sleep(seconds)
    radio.close()
    reader.join(5)
    radio.close()
    try:
        radio.read_back()
    except RadioLost as end:
        ended.append(str(end))
    return ended


def devices(*arguments):
    """`bandwatch devices ARGUMENTS`: exit code, output, error output."""
    import typer

    app = typer.Typer()
    app.command()(devices_command)
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr
