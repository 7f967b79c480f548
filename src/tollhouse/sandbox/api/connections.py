"""Connections that end without a reply, which ASGI has no message for."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, Final

OPEN_FILES: Final = "/dev/fd"  # on Linux and macOS alike


def hang_up(client: Any) -> bool:
    """End this process's connection with a client, `(host, port)`; say whether there is one.

    The server notices as if the network had broken, and so does the client: it gets no byte of a reply.
    """
    if client is None:
        return False
    peer = (str(client[0]), int(client[1]))  # some servers tell the port as text
    for connection in _sockets():
        with closing(connection), suppress(OSError):  # a socket that listens has no peer
            if connection.getpeername()[:2] == peer:
                connection.shutdown(socket.SHUT_RDWR)
                return True
    return False


def _sockets() -> Iterator[socket.socket]:
    """Yield a handle of every open socket."""
    for name in os.listdir(OPEN_FILES):
        with suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield socket.socket(fileno=os.dup(int(name)))
