"""What a reader on this machine has not read yet when an ipc socket closes, and how it still gets it.

Linger ends once the kernel has a message. But a connection of the Unix domain that closes is noticed at
once by the other side, and a ZeroMQ socket that is full at that moment throws away what the kernel still
holds for it. So the connections are kept open, by a second descriptor each, until they have been read.
"""

from __future__ import annotations

import array
import fcntl
import os
import struct
import termios

import zmq

_OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
_GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED
_EVENT = struct.Struct("=Hi")  # zmq_socket_monitor(3): the event, and for these the file descriptor


class UnreadConnections:
    """The connections of one ipc socket: `watch` it from its first moment, `hold` before it closes.

    Not thread-safe, as the socket is not.
    """

    def __init__(self, watched: zmq.Socket[bytes]) -> None:
        self._watched = watched
        self._monitor = watched.get_monitor_socket(_OPENED | _GONE)
        self._descriptors: set[int] = set()
        self._held: list[int] = []

    def watch(self) -> None:
        """Read what happened; to be called now and then, as what nobody reads fills up."""
        while self._monitor.poll(0):
            event, descriptor = _EVENT.unpack(self._monitor.recv_multipart()[0])
            if event & _OPENED:
                self._descriptors.add(descriptor)
            else:
                self._descriptors.discard(descriptor)

    def hold(self) -> None:
        """Keep the connections open beyond the socket, and watch no longer."""
        self.watch()
        self._held = [os.dup(descriptor) for descriptor in self._descriptors]
        self.stop()

    def stop(self) -> None:
        """Watch no longer: before the socket closes."""
        self._watched.disable_monitor()
        self._monitor.close(linger=0)

    def is_unread(self) -> bool:
        """Whether a held connection still has bytes that its reader has not taken."""
        return any(_unread_bytes(descriptor) for descriptor in self._held)

    def release(self) -> None:
        """Let go of the connections, read or not."""
        while self._held:
            os.close(self._held.pop())


def _unread_bytes(descriptor: int) -> int:
    waiting = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.TIOCOUTQ, waiting)
    return waiting[0]
