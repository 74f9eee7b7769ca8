"""The audit log in words: what each action is called, and where what it was done to is shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

WORDS: Mapping[str, str] = {
    "accounts.connect": "connected an account",
    "accounts.reconnect": "reconnected an account",
    "accounts.remove": "removed an account",
    "analytics.day": "counted a day again",
    "calls.ask": "asked for a call",
    "comments.change": "changed a comment",
    "comments.delete": "deleted a comment",
    "dead.discard": "discarded dead jobs",
    "dead.replay": "replayed dead jobs",
    "emails.bounce": "reported a bounce",
    "emails.retry": "sent a mail again",
    "emails.send": "sent a mail",
    "emails.suppress": "stopped mail to an address",
    "emails.unsuppress": "allowed mail to an address",
    "feed.change": "changed a feed post",
    "feed.clean": "asked for a clean-up of the feed",
    "feed.delete": "deleted a feed post",
    "issues.create": "wrote an issue",
    "issues.resend_unconfirmed": "sent unconfirmed mails again",
    "issues.send": "sent an issue",
    "issues.test": "sent a test mail",
    "jobs.cancel": "cancelled a job",
    "jobs.enqueue": "sent a job",
    "jobs.retry": "retried a job",
    "jobs.run": "ran a job at a terminal",
    "keys.create": "made an API key",
    "keys.revoke": "revoked an API key",
    "media.delete": "deleted media",
    "media.upload": "uploaded media",
    "members.change": "changed a member",
    "members.create": "added a member",
    "members.delete": "deleted a member",
    "members.import": "imported members",
    "members.leave_digests": "wants no more digests",
    "newsletters.delete": "deleted a newsletter",
    "newsletters.generate": "had a newsletter written",
    "notifications.resolve": "resolved a notification",
    "notifications.settings": "changed how they are told",
    "notifications.tell": "told users something",
    "posts.approve": "approved a post",
    "posts.cancel": "cancelled a post",
    "posts.change": "changed a post",
    "posts.create": "made a post",
    "posts.delete": "deleted a post",
    "posts.import": "imported posts",
    "posts.publish_batch": "published posts together",
    "posts.retry": "retried a post",
    "posts.return": "sent a post back",
    "posts.schedule": "scheduled a draft",
    "posts.submit": "submitted a post for approval",
    "queues.pause": "paused a queue",
    "queues.purge": "emptied a queue",
    "queues.resume": "resumed a queue",
    "rosters.change": "changed a roster",
    "rosters.create": "made a roster",
    "rosters.delete": "deleted a roster",
    "rosters.lock": "locked a roster",
    "rosters.unlock": "unlocked a roster",
    "schedules.change": "changed a schedule",
    "schedules.create": "made a schedule",
    "schedules.delete": "deleted a schedule",
    "schedules.pause": "paused a schedule",
    "schedules.resume": "resumed a schedule",
    "schedules.run": "ran a schedule now",
    "secrets.rotate": "encrypted secrets anew",
    "sessions.begin": "logged in",
    "sessions.end": "logged out",
    "sessions.refuse": "was refused a login",
    "subscribers.delete": "deleted a subscriber",
    "subscribers.export": "downloaded subscribers",
    "subscribers.import": "imported subscribers",
    "users.create": "made a user",
    "users.disable": "disabled a user",
    "users.enable": "enabled a user",
    "users.password": "set a password",
    "users.refuse_password": "gave a wrong present password",
    "users.scopes": "changed what a user may do",
    "webhooks.change": "changed a webhook",
    "webhooks.create": "made a webhook",
    "webhooks.delete": "deleted a webhook",
    "webhooks.replay": "sent an event again",
    "webhooks.replay_failed": "sent failed events again",
    "webhooks.rotate_secret": "gave a webhook another secret",
    "webhooks.test": "tested a webhook",
    "workers.ping": "pinged a worker",
    "workers.quiet": "quieted a worker",
    "workers.resume": "resumed a worker",
    "workers.shutdown": "shut a worker down",
    "workflows.cancel": "cancelled a workflow",
    "workflows.resume": "resumed a workflow",
    "workflows.start": "started a workflow",
    "workflows.undo": "undid a workflow",
}
"""What is said of an action; one that is not here is shown as it is."""
PAGES: Mapping[str, str] = {
    "post": "/posts/{}",
    "account": "/accounts/{}",
    "queue": "/queues/{}",
    "email": "/emails/{}",
    "feed": "/community/feed/{}",
    "issue": "/issues/{}",
    "member": "/members/{}",
    "newsletter": "/newsletters/{}",
    "roster": "/rosters/{}",
    "subscriber": "/subscribers/{}",
    "schedule": "/schedules/{}",
    "webhook": "/webhooks/{}",
    "worker": "/workers/{}",
    "user": "/users?find={}",
}
"""Where a subject of this kind is shown."""
SUBJECTS = {"jobs": "/jobs", "dead jobs": "/dead"}
"""Subjects that are many things at once."""
BY_DOMAIN = {"calls": "/jobs/{}", "jobs": "/jobs/{}", "workflows": "/workflows/{}"}
"""Where the subjects of actions are shown whose subject is no more than an id."""
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry, as a person reads it."""

    words: str
    about: str
    """What it was done to, short."""
    path: str | None
    """Where that is shown."""


def deed(action: str, subject: str) -> Deed:
    """Return an action and its subject in words."""
    kind, _, name = subject.partition(":")
    words = WORDS.get(action, action)
    if subject in SUBJECTS:
        return Deed(words, subject, SUBJECTS[subject])
    if kind in PAGES and name and not name.startswith("("):
        return Deed(words, f"{kind} {_short(name)}", PAGES[kind].format(quote(name, safe="")))
    domain = action.partition(".")[0]
    if domain in BY_DOMAIN:
        path = BY_DOMAIN[domain].format(quote(subject, safe=""))
        return Deed(words, f"{domain.removesuffix('s')} {_short(subject)}", path)
    return Deed(words, f"{kind} {_short(name)}" if name else subject, None)


def details(detail: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what else an entry says, each as a text."""
    return [(name, _text(value)) for name, value in detail.items() if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value) or "none"
    return msgspec.json.encode(value).decode()


def _short(name: str) -> str:
    """Return an id's end, which differs most; another name as it is."""
    return f"…{name[-8:]}" if _ID.fullmatch(name) else name
