"""No secret is in the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "SECRET_KEY|SECRET_KEY_OLD|POSTGRES_PASSWORD|VALKEY_PASSWORD|SMTP_URL|DATABASE_URL|REDIS_URL"
)
SET = re.compile(
    rf"^[ \t]*(?:export +)?(?:{NAMES})[ \t]*[=:][ \t]*[\"']?(?!\S*\\)[^\s\"'#$]+", re.MULTILINE
)
"""A setting with a value; one that goes on in the next line, as compose's URLs, has none yet."""
KNOWN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"
    r"|\balmanac_[A-Za-z0-9_-]{43}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bxox[abprs]-\d{10,}-[0-9A-Za-z-]+"
    r"|\bsk_live_[0-9A-Za-z]{20,}\b"
    r"|\bSG\.[\w-]{22}\.[\w-]{43}\b"
)
"""How secrets of ours and of others begin."""
CONFIGURATION = re.compile(r"(^|/)(\.env.*|.*\.(ya?ml|toml|cfg|ini|conf|env|service)|Dockerfile)$")


def tracked() -> list[Path]:
    """Return the files that git tracks, and those that it would."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def leaks(name: str, content: str) -> list[str]:
    """Return what looks like a secret in a file."""
    found = [match[0] for match in KNOWN.finditer(content)]
    if CONFIGURATION.search(name):
        found += [match[0].strip() for match in SET.finditer(content)]
    return found


def test_no_secret_is_tracked() -> None:
    """K075."""
    files = tracked()
    assert len(files) > 300
    found = {
        str(path.relative_to(ROOT)): secrets
        for path in files
        if (secrets := leaks(path.name, path.read_text(errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".env", "SECRET_KEY=0f3a9c5e7b1d2468"),
        ("compose.yaml", '      POSTGRES_PASSWORD: "hunter2"'),
        ("almanac.service", "REDIS_URL=redis://:hunter2@host"),
        ("notes.md", "almanac_" + "a" * 43),
        ("key.txt", "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "a" * 64),
    ],
)
def test_a_secret_is_found(name: str, line: str) -> None:
    assert len(leaks(name, f"first line\n{line}\n")) == 1


def test_references_are_none() -> None:
    """What compose fills in, and what is left empty."""
    content = "SECRET_KEY=\nSECRET_KEY: ${SECRET_KEY:?set it}\nREDIS_URL: $REDIS\n"
    assert leaks("compose.yaml", content) == []
