"""Where a home's servers answer: written by their supervisor, read and checked by everyone else."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from service.embedded import postgres, valkey
from service.embedded.home import Home
from service.embedded.lock import Holder, holder


@dataclass(frozen=True, slots=True)
class Endpoints:
    """URLs for SQLAlchemy and redis-py, and the process id of the supervisor."""

    database_url: str
    redis_url: str
    pid: int


def publish(home: Home, sockets: Path, supervisor: Holder) -> Endpoints:
    """Write the endpoints file, as a whole or not at all, and return what it says."""
    folder = quote(str(sockets), safe="/")
    endpoints = Endpoints(
        # The port is in a socket's name; without it, asyncpg takes PGPORT from the environment.
        database_url=f"postgresql+asyncpg://postgres@/{postgres.DATABASE}"
        f"?host={quote(str(sockets), safe='')}&port={postgres.PORT}",
        redis_url=f"unix://{folder}/{valkey.SOCKET}?db=0",
        pid=supervisor.pid,
    )
    record = {
        "supervisor": asdict(supervisor),
        "sockets": str(sockets),
        "endpoints": asdict(endpoints),
    }
    new = home.endpoints.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:  # noqa: PTH123 - a descriptor, for its mode
        json.dump(record, file)
    new.replace(home.endpoints)
    return endpoints


def running(home: Path) -> Endpoints | None:
    """Return where the servers of this home answer, or None when none are running.

    A file left by a killed supervisor does not count: its lock must be held by the process that
    wrote the file, and both servers must accept connections.

    Raises:
        ConfigurationError: the home belongs to another user.
    """
    place = Home(home)
    try:
        place.check_owner()
    except FileNotFoundError:
        return None
    supervisor = holder(place.lock)
    if supervisor is None:
        return None
    try:
        record = json.loads(place.endpoints.read_text())
    except FileNotFoundError:
        return None
    sockets = Path(record["sockets"])
    ours = record["supervisor"] == asdict(supervisor)
    if ours and _listens(sockets / postgres.SOCKET) and _listens(sockets / valkey.SOCKET):
        return Endpoints(**record["endpoints"])
    return None


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
