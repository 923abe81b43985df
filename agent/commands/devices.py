"""`bandwatch devices`: which radios there are, and what a driver allows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from ...pipeline.soapy_bindings import load_bindings
from ...pipeline.soapy_settings import in_words, key_values


def devices_command(
    arguments: Annotated[
        str | None,
        typer.Argument(metavar="ARGS", help="Search only for these: key=value,key=value."),
    ] = None,
) -> None:
    """List the radios that SoapySDR finds. With ARGS, open each one found and say what it can do.

    Without ARGS every installed driver searches, some of them over the network; nothing is opened.

    Example: bandwatch devices driver=rtlsdr
    """
    soapy = load_bindings()
    wanted = {} if arguments is None else key_values(arguments)
    if arguments is None:
        typer.echo(
            "Every driver is searching, some may search the network. To search with one only, and see "
            "what its radios can do, name it: bandwatch devices driver=rtlsdr",
            err=True,
        )
    found = [dict(one) for one in soapy.Device.enumerate(wanted)]
    if not found:
        typer.echo(_nothing_found(soapy, arguments), err=True)
        raise typer.Exit(1)
    for one in found:
        label = one.pop("label", "")
        typer.echo("  ".join(part for part in (_device_string(one), label) if part))
        if arguments is not None:
            for line in _abilities(soapy, one):
                typer.echo(f"  {line}")


def _nothing_found(soapy: ModuleType, arguments: str | None) -> str:
    modules = ", ".join(sorted(Path(path).name for path in soapy.listModules()))
    if not modules:
        return (
            "no radio found: SoapySDR has no driver modules (Debian, Ubuntu: apt install "
            "soapysdr-module-rtlsdr, or that of your radio)"
        )
    return f"no radio found{f' for {arguments}' if arguments else ''} by the modules {modules}"


def _device_string(found: dict[str, str]) -> str:
    # The driver first, as people write it.
    keys = sorted(found, key=lambda key: (key != "driver", key))
    return ",".join(f"{key}={found[key]}" for key in keys)


def _abilities(soapy: ModuleType, found: dict[str, str]) -> list[str]:
    try:
        device = soapy.Device(found)
    except RuntimeError as error:
        return [f"cannot be opened: {' '.join(str(error).split())}"]
    try:
        return _ask(device, soapy.SOAPY_SDR_RX)
    except RuntimeError as error:
        return [f"does not answer: {' '.join(str(error).split())}"]
    finally:
        device.close()


def _ask(device: Any, rx: int) -> list[str]:
    """What a receive channel allows; the first stands for all."""
    channels = device.getNumChannels(rx)
    lines = [f"receive channels  {channels}"]
    if channels == 0:
        return lines
    stages = [f"{name} {in_words([device.getGainRange(rx, 0, name)])}" for name in device.listGains(rx, 0)]
    gains = [in_words([device.getGainRange(rx, 0)]), *stages]
    if device.hasGainMode(rx, 0):
        gains.append("automatic")
    infos = [*device.getSettingInfo(), *device.getSettingInfo(rx, 0)]
    facts = {
        "sample_rate_hz": in_words(device.getSampleRateRange(rx, 0)),
        "center_hz": in_words(device.getFrequencyRange(rx, 0)),
        "bandwidth_hz": in_words(device.getBandwidthRange(rx, 0)),
        "gain": "; ".join(gains),
        "antenna": ", ".join(device.listAntennas(rx, 0)),
        "settings": ", ".join(f"{i.key} ({', '.join(i.options)})" if i.options else i.key for i in infos),
        "stream formats": ", ".join(device.getStreamFormats(rx, 0)),
    }
    return lines + [f"{name:<16}  {value or 'the driver does not say'}" for name, value in facts.items()]
