"""What each scope allows, in words."""

from collections.abc import Iterable, Mapping

from service.access.caller import Caller, Scope

IN_WORDS: Mapping[Scope, str] = {
    Scope.POSTS_READ: "See own posts, accounts and the calendar",
    Scope.POSTS_WRITE: "Write, schedule, change and cancel posts",
    Scope.CONTENT_READ: "See own pictures and other media",
    Scope.CONTENT_WRITE: "Upload media",
    Scope.JOBS_READ: "See jobs, queues, workers, workflows, schedules, alerts and webhooks",
    Scope.JOBS_OPERATE: "Run, cancel and retry jobs; pause queues; change schedules and workflows",
    Scope.SETTINGS_WRITE: "Connect accounts; make API keys and webhooks",
    Scope.BACKUPS_OPERATE: "Make and restore backups",
    Scope.ADMIN: "Everything, and of everybody: users and the audit log too",
}


def grantable(caller: Caller) -> list[tuple[Scope, str]]:
    """Return what a caller may give to a key, with its words."""
    return [(s, text) for s, text in IN_WORDS.items() if caller.may(s)]


def words(scopes: Iterable[str]) -> list[tuple[Scope, str]]:
    """Return scopes with what they allow."""
    held = set(scopes)
    return [(scope, text) for scope, text in IN_WORDS.items() if scope in held]


def known(names: Iterable[str]) -> list[Scope]:
    """Return those of the names that are scopes, each once."""
    return [scope for scope, _ in words(names)]
