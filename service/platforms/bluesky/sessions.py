"""Bluesky's sessions: what a login answers, and as an account keeps them."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from service.platforms.contract import Handles


class Session(msgspec.Struct, frozen=True):
    """Who is logged in and with what. Stored as the account's session."""

    did: str
    handle: str
    accessJwt: str  # noqa: N815 - the lexicon's name
    refreshJwt: str = ""  # noqa: N815 - the lexicon's name
    pds: str = ""
    """The URL of the server that has the account's repository; empty: the one that was called."""

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends, by its own unverified claim; None if it does not say."""
        try:
            payload = self.accessJwt.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return datetime.fromtimestamp(claims["exp"], UTC)
        except (ValueError, LookupError, TypeError, OverflowError, OSError):
            return None

    def renewed(self, newer: "Session") -> "Session":
        """Return a newer session; what that leaves out or empty stays."""
        return msgspec.structs.replace(
            newer, refreshJwt=newer.refreshJwt or self.refreshJwt, pds=newer.pds or self.pds
        )


class SessionAnswer(msgspec.Struct):
    """What createSession and refreshSession answer."""

    did: str
    handle: str
    accessJwt: str  # noqa: N815 - the lexicon's name
    refreshJwt: str = ""  # noqa: N815 - the lexicon's name
    didDoc: Any = None  # noqa: N815 - the lexicon's name

    @property
    def session(self) -> Session:
        """The session, with the server that the account's DID document names."""
        pds = _personal_server(self.didDoc)
        return Session(self.did, self.handle, self.accessJwt, self.refreshJwt, pds)


def _personal_server(document: object) -> str:
    services = document.get("service") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else []:
        if isinstance(service, dict) and str(service.get("id", "")).endswith("#atproto_pds"):
            endpoint = service.get("serviceEndpoint")
            return endpoint if isinstance(endpoint, str) else ""
    return ""


def session_of(session: Session) -> Handles:
    """Return a session as it is stored, with the end of its access token."""
    made: Handles = msgspec.to_builtins(session)
    if session.expires_at is not None:
        made["expires_at"] = session.expires_at.isoformat()
    return made


def stored_session(stored: Mapping[str, object]) -> Session | None:
    """Return the session that an account has stored, if there is one."""
    try:
        return msgspec.convert(stored, Session)
    except msgspec.ValidationError:
        return None
