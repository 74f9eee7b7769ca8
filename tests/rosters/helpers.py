"""What tests of rosters say in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx

from service.access.caller import Caller, Scope
from service.access.models import User
from tests.support import Installation


@dataclass(slots=True)
class Desk:
    """Makes rosters by the API, as an admin."""

    api: Installation

    async def make(self, day: date | str, project: str = "Desk", *people: str, **body: Any) -> Any:
        """Make a roster and return it."""
        items = [{"person": person} for person in people]
        reply = await self.api.post(
            "/v1/rosters", {"day": str(day), "project": project, "items": items, **body}
        )
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def read(self, roster: Any) -> Any:
        """Return a roster as it is now."""
        reply = await self.api.get(f"/v1/rosters/{roster['id']}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def lock(self, roster: Any) -> Any:
        """Lock a roster and return it."""
        reply = await self.api.post(f"/v1/rosters/{roster['id']}/lock", {})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def unlock(self, roster: Any, reason: str, **options: Any) -> httpx.Response:
        """Ask for an unlock."""
        path = f"/v1/rosters/{roster['id']}/unlock"
        return await self.api.post(path, {"reason": reason}, **options)

    async def noted(self, action: str) -> Sequence[Any]:
        """Return what the audit log has of an action, the earliest first."""
        return await self.api.sql(
            "SELECT actor, subject, detail, at FROM audit_log WHERE action = :action ORDER BY id",
            action=action,
        )

    async def admin(self) -> Caller:
        """Return who an admin's key belongs to."""
        async with self.api.runtime.unit_of_work() as uow:
            (row,) = await self.api.sql("SELECT id FROM users WHERE name = 'admin'")
            user = await uow.session.get_one(User, row.id)
        return Caller(user.id, user.name, frozenset({Scope.ADMIN}))


def people(roster: Any) -> list[tuple[str, str]]:
    """Return who is on a roster and how it went."""
    return [(item["person"], item["status"]) for item in roster["items"]]
