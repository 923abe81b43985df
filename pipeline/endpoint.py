"""Where a socket listens or calls, and what can be wrong with it: `ipc://PATH` or `tcp://HOST:PORT`."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path

import zmq

from .errors import BadInput

_TCP = re.compile(r"tcp://(\[[^\]]+\]|[^:/\[\]]+):(\*|\d{1,5})")

# No bigger message is one of ours: the largest IQ block is 32 MiB.
_LARGEST_MESSAGE_BYTES = 64 * 2**20

# Messages that wait at either end of a connection, of rows of 65,536 bins 64 MiB. ZeroMQ counts messages, not
# bytes, and a mark lowered while messages wait stalls the connection for good: so it is one for all rows.
HIGH_WATER = 256

# A peer that lost its power or its cable is noticed after half a minute, by the kernel: ZeroMQ's own
# heartbeats would cut off a puller that is merely full.
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_COUNT = 15, 5, 3


def open_socket(
    context: zmq.Context[zmq.Socket[bytes]], kind: int, endpoint: str, *, binds: bool, high_water: int
) -> zmq.Socket[bytes]:
    """A socket bound to, or connecting to, an endpoint; at most `high_water` messages wait in it a peer.

    A connecting socket need not find its peer yet: ZeroMQ tries on. Raises `BadInput`, one line with the
    endpoint and the reason, for what can never work.
    """
    _check(endpoint, binds=binds)
    opened = context.socket(kind)
    opened.setsockopt(zmq.SNDHWM, high_water)
    opened.setsockopt(zmq.RCVHWM, high_water)
    opened.setsockopt(zmq.MAXMSGSIZE, _LARGEST_MESSAGE_BYTES)
    opened.setsockopt(zmq.LINGER, 0)
    opened.setsockopt(zmq.TCP_KEEPALIVE, 1)
    opened.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _KEEPALIVE_IDLE_S)
    opened.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _KEEPALIVE_INTERVAL_S)
    opened.setsockopt(zmq.TCP_KEEPALIVE_CNT, _KEEPALIVE_COUNT)
    try:
        if binds:
            opened.bind(endpoint)
        else:
            opened.connect(endpoint)
    except zmq.ZMQError as error:
        opened.close()
        raise _unusable(endpoint, os.strerror(error.errno).lower() if error.errno else str(error)) from error
    return opened


def address_of(opened: zmq.Socket[bytes]) -> str:
    """Where it is: the endpoint it was given, with the port or path chosen for a `*`."""
    return opened.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _check(endpoint: str, *, binds: bool) -> None:
    if endpoint.startswith("tcp://"):
        _check_tcp(endpoint, binds=binds)
    elif endpoint.startswith("ipc://"):
        _check_ipc(endpoint, Path(endpoint.removeprefix("ipc://")), binds=binds)
    else:
        raise _unusable(endpoint, "must be ipc://PATH or tcp://HOST:PORT")


def _check_tcp(endpoint: str, *, binds: bool) -> None:
    match = _TCP.fullmatch(endpoint)
    if match is None:
        raise _unusable(endpoint, "must be tcp://HOST:PORT")
    host, port = match.groups()
    if not binds and "*" in (host, port):
        raise _unusable(endpoint, "only the end that binds may say *")
    if port != "*" and not 1 <= int(port) <= 65535:
        raise _unusable(endpoint, f"port {port}, must be 1..65535")


def _check_ipc(endpoint: str, path: Path, *, binds: bool) -> None:
    name = endpoint.removeprefix("ipc://")
    if not name or "\0" in name:
        raise _unusable(endpoint, "must be ipc://PATH")
    length = len(os.fsencode(name))
    if length > zmq.IPC_PATH_MAX_LEN:
        raise _unusable(
            endpoint, f"path of {length} bytes, a socket's path has at most {zmq.IPC_PATH_MAX_LEN}"
        )
    if name.startswith("@") or name == "*":  # not a file: Linux's abstract names, or one of ZeroMQ's choice
        return
    if not path.parent.is_dir():
        raise _unusable(endpoint, f"folder {path.parent} does not exist")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unusable(endpoint, (error.strerror or str(error)).lower()) from error
    # ZeroMQ removes whatever lies at the path before it binds: that must be a socket nobody listens to.
    if not stat.S_ISSOCK(mode):
        raise _unusable(endpoint, "a file that is not a socket lies there")
    if binds and _is_listened_to(path):
        raise _unusable(endpoint, "address already in use")


def _is_listened_to(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # a full backlog, or not ours to ask: somebody is there
            return True
    return True


def _unusable(endpoint: str, reason: str) -> BadInput:
    shown = endpoint.encode("unicode_escape").decode("ascii")
    return BadInput(f"endpoint {shown:.200}: {reason}")
