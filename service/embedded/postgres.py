"""PostgreSQL: making its data folder, its command line, and asking whether it answers."""

import os
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path

from service.embedded.account import hand_over
from service.embedded.process import Launcher
from service.errors import ConfigurationError, Unavailable

DATABASE = "almanac"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
OLDEST_MAJOR = 15
PROTOCOL_3_0 = 196_608
STARTING_UP = b"C57P03\0"  # SQLSTATE cannot_connect_now as a field of an ErrorResponse


def prepare(programs: Path, data: Path, launcher: Launcher) -> None:
    """Make the data folder at the first start, and check that the programs can use it.

    Raises:
        ConfigurationError: the programs are too old, or another version made the data.
        Unavailable: a program failed.
    """
    major = _major(programs)
    if data.exists():
        hand_over(data, launcher.account)
        _check_version(data, major, programs)
        _remove_stale_pid(data)
    else:
        _initialise(programs, data, launcher, major)


def command(programs: Path, data: Path, sockets: Path) -> list[str]:
    """Return the server's command line: one unix socket, no TCP, durable, modest in memory."""
    quoted = str(sockets).replace('"', '""')
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "shared_buffers": "64MB",
        "max_connections": "200",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(data), *flags]


def answers(sockets: Path) -> bool:
    """Ask for a session in our database (PostgreSQL's documentation, 54.2.1 Start-up).

    Raises:
        Unavailable: it answers, but refuses for good.
    """
    pairs = f"user\0postgres\0database\0{DATABASE}\0\0".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(sockets / SOCKET))
            connection.sendall(struct.pack("!ii", 8 + len(pairs), PROTOCOL_3_0) + pairs)
            answer = connection.recv(4096)
            if answer.startswith(b"R"):
                connection.sendall(b"X\0\0\0\4")
        except OSError:  # not listening yet, or gone: the caller watches the process
            return False
    if answer.startswith(b"E") and STARTING_UP not in answer:
        text = answer[5:].replace(b"\0", b" ").decode(errors="replace")
        raise Unavailable(f"PostgreSQL refuses a session in the database {DATABASE}: {text}")
    return answer.startswith(b"R")


def _major(programs: Path) -> int:
    """Return the major version of these programs; raise ConfigurationError if they do not run."""
    program = str(programs / "postgres")
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigurationError(f"{program} cannot be run: {error}.") from error
    found = re.search(r"\(PostgreSQL\) (\d+)", told.stdout)
    if found is None:
        raise ConfigurationError(
            f"{program} --version fails: {(told.stderr + told.stdout).strip()}"
        )
    major = int(found[1])
    if major < OLDEST_MAJOR:
        raise ConfigurationError(
            f"{program} is PostgreSQL {major}; Almanac needs {OLDEST_MAJOR} or newer. "
            "Run: pip install 'almanac[embedded]'."
        )
    return major


def _check_version(data: Path, major: int, programs: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(major):
        raise ConfigurationError(
            f"The data in {data} was made by PostgreSQL {made_by}, but {programs} is "
            f"PostgreSQL {major}, which cannot read it. Install PostgreSQL {made_by}, or dump "
            f"the data with it, move {data} away, start again and load the dump."
        )


def _initialise(programs: Path, data: Path, launcher: Launcher, major: int) -> None:
    """Make the data folder under another name first: one that exists is complete and on disk."""
    new = data.with_name(f"{data.name}.new")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(0o700)
    hand_over(new, launcher.account)
    # The built-in provider (17 and newer) sorts the same on every machine.
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= 17 else []
    initdb = [str(programs / "initdb"), "-D", str(new)]
    launcher.run(
        [
            *initdb,
            "--username=postgres",
            "--auth-local=trust",  # the socket's folder is private
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            *builtin,
            "--data-checksums",
            "--no-sync",
            "--no-instructions",
        ]
    )
    single = ["--single", "-F", "-c", "exit_on_error=on", "-D", str(new), "postgres"]
    launcher.run([str(programs / "postgres"), *single], f"CREATE DATABASE {DATABASE}\n".encode())
    launcher.run([*initdb, "--sync-only"])
    new.rename(data)
    _sync_folder(data.parent)


def _remove_stale_pid(data: Path) -> None:
    """Remove the pid file of a killed server.

    PostgreSQL refuses to start while any process of its user has the pid in there, and pids are
    reused, in containers within seconds. Only a server that somebody started by hand on this
    folder keeps its file; without /proc that cannot be told, and PostgreSQL's own check decides.
    """
    file = data / "postmaster.pid"
    if not file.exists() or not Path("/proc/self").exists():
        return
    pid = file.read_text().partition("\n")[0]
    if not _runs_in(pid, data):
        file.unlink()


def _runs_in(pid: str, folder: Path) -> bool:
    try:
        return pid.isdigit() and Path("/proc", pid, "cwd").samefile(folder)
    except OSError:  # no such process, a zombie, or another user's
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
