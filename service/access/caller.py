"""Who makes a request and what they may do: what other domains know of access."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from service.errors import Forbidden


class Scope(StrEnum):
    """What a key, or a user who is logged in, may do."""

    POSTS_READ = "posts:read"
    POSTS_WRITE = "posts:write"
    CONTENT_READ = "content:read"
    CONTENT_WRITE = "content:write"
    JOBS_READ = "jobs:read"
    JOBS_OPERATE = "jobs:operate"
    SETTINGS_WRITE = "settings:write"
    BACKUPS_OPERATE = "backups:operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and what their key or their login allows."""

    user_id: UUID
    name: str
    """The user's unique name, without a colon."""
    scopes: frozenset[Scope]

    @property
    def actor(self) -> str:
        """Who acts, as jobs, history and audit log have it; others are `schedule:…`, `cli:…`."""
        return self.name

    @property
    def is_admin(self) -> bool:
        """Whether the caller sees and changes everybody's rows."""
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope, or `admin`."""
        return self.is_admin or scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the caller has this scope (or `admin`)."""
        if not self.may(scope):
            held = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(f"This needs the scope '{scope}'; you have: {held}")

    def may_see(self, owner_id: UUID) -> bool:
        """Whether rows of this owner exist for the caller."""
        return self.is_admin or owner_id == self.user_id
