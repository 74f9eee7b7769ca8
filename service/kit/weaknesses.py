"""What no production installation may have: secrets that everybody knows, an open Redis."""

import re
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

SHORTEST_SECRET, FEWEST_CHARACTERS = 16, 8
PLACEHOLDERS = ("changeme", "replaceme", "yoursecret", "example", "placeholder", "supersecret")
KNOWN_PASSWORDS = frozenset(
    ("postgres", "almanac", "password", "admin", "root", "redis", "valkey", "secret", "test")
) | {"changeme", "change-me", "change_me", "example", "default", "guest", "123456", "12345678"}
INSIDE = (".internal", ".local", ".lan", ".svc", ".localdomain", ".localhost")


def weak_secret(secret: SecretStr | None) -> list[str]:
    """Say what is wrong with a secret key; nothing when it is good."""
    advice = "make one with 'openssl rand -hex 24'"
    if secret is None:
        return [f"SECRET_KEY is unset: credentials could not be decrypted after a move; {advice}"]
    value = secret.get_secret_value()
    if len(value) < SHORTEST_SECRET:
        return [f"SECRET_KEY has {len(value)} characters, at least 16 are needed: {advice}"]
    plain = re.sub("[^a-z]", "", value.lower())
    if len(set(value)) < FEWEST_CHARACTERS or any(word in plain for word in PLACEHOLDERS):
        return [f"SECRET_KEY is a placeholder that everybody knows: {advice}"]
    return []


def known_password(name: str, url: SecretStr | None) -> list[str]:
    """Refuse passwords that every scanner tries first."""
    found = urlsplit(url.get_secret_value()) if url else None
    password = unquote(found.password) if found and found.password else None
    if password is None or password.lower() not in KNOWN_PASSWORDS:
        return []
    return [f"{name} has a password that everybody knows: change it on the server and there"]


def open_redis(name: str, url: SecretStr | None) -> list[str]:
    """Say that anybody may use a Redis; nothing when they may not."""
    found = urlsplit(url.get_secret_value()) if url else None
    if found is None or found.scheme == "unix" or _is_private(found.hostname):
        return []
    if found.password or "password" in parse_qs(found.query):
        return []
    return [
        f"{name} has no password, and its host is on no private network: anybody there could "
        "read and send jobs; set 'requirepass' on the server and the password in the URL"
    ]


def _is_private(host: str | None) -> bool:
    """Whether a host is inside, as far as its name tells: no name is looked up here."""
    try:
        return ip_address(host or "127.0.0.1").is_private
    except ValueError:
        assert host is not None
        return "." not in host or host.endswith(INSIDE)
