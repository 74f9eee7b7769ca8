"""`almanac conf --bundle`: all that support needs to know, and no secret."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.commands.terminal import Terminal
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
FILES = (
    *("conf.json", "versions.json", "verify.json", "status.json", "queues.json", "workers.json"),
    *("schedules.json", "failures.json", "log.txt"),
)
SECRETS = ("mail-password-7Q", "old-secret-key-of-tests", "argument-4711", "token-0815-xyz")


def mode(file: Path) -> int:
    """Return who may read and write a file."""
    return file.stat().st_mode & 0o777


async def bundled(terminal: Terminal, target: Path) -> dict[str, str]:
    """Write a bundle and return its files."""
    shown = await terminal.shows("conf", "--bundle", str(target))
    assert shown.startswith(f"Wrote {target}: conf.json, ")
    assert mode(target) == 0o600
    with tarfile.open(target) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive)
        return {name.removeprefix("support/"): file.read().decode() for name, file in files if file}


async def test_a_bundle(
    api: Installation, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T093, N053: settings, versions, checks, queues, workers, failures, log; secrets nowhere."""
    log = tmp_path / "almanac.log"
    log.write_text(f"before\nlogin with password={SECRETS[0]}\nBearer {SECRETS[3]}\nafter\n")
    monkeypatch.setenv("SMTP_URL", f"smtp://me:{SECRETS[0]}@127.0.0.1:1")
    monkeypatch.setenv("SECRET_KEY_OLD", SECRETS[1])
    monkeypatch.setenv("ALMANAC_LOG_FILE", str(log))
    failed: dict[str, Any] = {"state": "failed", "error_type": "ValueError"}
    failed["arguments"] = json.dumps([SECRETS[2]])
    said = f"refused: token={SECRETS[3]}"
    await write(api.runtime, a_run("broken", name="a.job", error=said, traceback=said, **failed))
    files = await bundled(terminal, tmp_path / "support.tar.gz")
    assert tuple(files) == FILES
    everything = "".join(files.values())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert json.loads(files["conf.json"])["settings"]["SMTP_URL"] == "**********"
    (failure,) = json.loads(files["failures.json"])["items"]
    assert (failure["id"], failure["error"]["type"]) == ("broken", "ValueError")
    assert "arguments" not in failure
    assert json.loads(files["verify.json"])["PostgreSQL"]["ok"]
    assert "almanac" in json.loads(files["versions.json"])["packages"]
    assert len(json.loads(files["queues.json"])["items"]) >= 14
    assert files["log.txt"].splitlines()[::3] == ["before", "after"]


async def test_a_bundle_of_what_is_down(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T093: when it is needed most: what cannot be asked says why."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:{SECRETS[3]}@127.0.0.1:1/almanac")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    files = await bundled(terminal, tmp_path / "support.tar.gz")
    assert tuple(files) == FILES
    for name in ("queues.json", "workers.json", "schedules.json", "failures.json"):
        assert "does not answer" in json.loads(files[name])["error"]
    assert not json.loads(files["status.json"])["parts"]["PostgreSQL"]["ok"]
    assert SECRETS[3] not in "".join(files.values())
