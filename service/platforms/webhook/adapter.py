"""Webhooks: Discord, Slack, Telegram, or any URL.

None of them tells a repeat from a new post or can be asked whether a post is there, so a lost
answer stays uncertain.
"""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from service.errors import InvalidInput, Problem
from service.kit.outbound import Outbound
from service.kit.standard_webhooks import signing_key, webhook_headers
from service.kit.urls import url_problem
from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    CredentialField,
    Profile,
    Publication,
    Published,
    Unknown,
)
from service.platforms.http import Step, call
from service.platforms.validation import check_credentials, server_root
from service.platforms.webhook.kinds import (
    KINDS,
    Generic,
    kind_and_target,
    kind_of,
    target_of,
)


class Webhook(Adapter):
    """Publishes by one POST."""

    name = "webhook"
    title = "Webhook"
    limits = Generic.limits
    credential_fields: Mapping[str, CredentialField] = {
        "url": CredentialField("The URL that takes the posts.", required=False),
        "kind": CredentialField(
            f"{', '.join(KINDS)}; by default chosen by the URL's host.",
            required=False,
            secret=False,
        ),
        "secret": CredentialField(
            "Signs each request as in Standard Webhooks: whsec_ and base64, or any text. "
            "For kind generic.",
            required=False,
        ),
        "bot_token": CredentialField("For Telegram: the bot's token.", required=False),
        "chat_id": CredentialField(
            "For Telegram: the chat's number or @name.", required=False, secret=False
        ),
    }

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Ask Discord and Telegram who it is; of other URLs check only that they may be called."""
        check_credentials(self.credential_fields, credentials)
        target = target_of(base_url, credentials)
        if found := _problems(target, credentials):
            raise InvalidInput(found)
        kind = KINDS[kind_of(target, credentials)]
        step = _step("reading the account", target, credentials)
        receiver = await kind.probe(self._outbound, step, target, credentials)
        return Profile(
            handle=receiver.handle,
            display_name=receiver.display_name,
            # A URL given as a credential is a secret; what is shown is its server.
            base_url=server_root(target) if credentials.get("url") else target,
            limits=kind.limits,
            session=receiver.session,
        )

    async def commit(self, publication: Publication) -> Published:
        """Send the one POST; any 2xx is success, whatever its body."""
        credentials = publication.destination.credentials
        kind, target = kind_and_target(publication.destination)
        step = _step("posting", target, credentials, commit=self.commit_deadline)
        body = msgspec.json.encode(kind.body(publication))
        headers = {"Content-Type": "application/json"}
        if kind.signed:
            message_id = str(publication.delivery_id)
            headers |= webhook_headers(message_id, body, credentials.get("secret", "").strip())
        url = kind.url(target, credentials)
        answer = await call(self._outbound, step, "POST", url, headers=headers, content=body)
        try:
            return kind.published(publication, answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Published(str(publication.delivery_id), None)

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Say that it cannot be known."""
        return Unknown("a webhook cannot be asked whether a post arrived; look there yourself")


def _problems(target: str, credentials: Mapping[str, str]) -> list[Problem]:
    found = []
    if not target:
        found.append(
            Problem("credentials.url", "Missing: the URL that takes the posts.", "missing")
        )
    elif wrong := url_problem(target):
        found.append(Problem("credentials.url", f"The URL {wrong}."))
    name = kind_of(target, credentials)
    if name not in KINDS:
        text = f"'{name}' is not one of {', '.join(KINDS)}."
        return [*found, Problem("credentials.kind", text)]
    found += [
        Problem(f"credentials.{field}", f"Missing: {name} needs it.", "missing")
        for field in KINDS[name].required
        if not credentials.get(field, "").strip()
    ]
    try:
        signing_key(credentials.get("secret", "").strip())
    except ValueError as error:
        found.append(Problem("credentials.secret", f"Not a secret: {error}."))
    return found


def _step(
    action: str,
    target: str,
    credentials: Mapping[str, str],
    *,
    commit: timedelta | None = None,
) -> Step:
    """Describe a call; the one with a deadline is the commit. The URL's path is a secret too."""
    parts = urlsplit(target)
    secrets = [target, parts.path, parts.query] if parts.path.strip("/") else [parts.query]
    secrets += [credentials.get(name, "").strip() for name in ("secret", "bot_token")]
    return Step(
        Webhook.title,
        action,
        commits=commit is not None,
        deadline=commit.total_seconds() if commit else 20.0,
        auth_statuses=(401, 403),
        secrets=secrets,
    )
