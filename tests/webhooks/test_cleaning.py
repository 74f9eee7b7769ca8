"""What was told long ago is forgotten."""

from datetime import timedelta

import pytest

from service.notifications import actions as notifications
from service.webhooks import actions as webhooks
from tests.servers.receiver import Receiver, Reply
from tests.support import Installation
from tests.webhooks.helpers import deliver, notices, register, run_job, told

pytestmark = pytest.mark.asyncio

AGE = timedelta(days=30)


async def test_deliveries_and_notices_are_forgotten_with_their_attempts(
    api: Installation, receiver: Receiver
) -> None:
    """What ended lately stays, and what is still on its way, however old."""
    await register(api, receiver)
    receiver.replies.append(Reply(400))
    await run_job(api, told(number=1))
    await deliver(api)
    await run_job(api, told(number=2))
    await deliver(api)
    await run_job(api, told(number=13))
    old = "created_at = now() - interval '31 days'"
    await api.sql(f"UPDATE webhook_deliveries SET {old}")
    await api.sql(
        "UPDATE webhook_deliveries SET finished_at = created_at WHERE state = 'delivered'"
    )
    async with api.runtime.unit_of_work() as uow:
        assert await webhooks.forget(uow.session, AGE) == 1
        assert await notifications.forget(uow.session, AGE) == 0
    left = await api.sql("SELECT state FROM webhook_deliveries ORDER BY id")
    assert [row.state for row in left] == ["failed", "pending"]
    assert await api.count("webhook_attempts") == 1
    await api.sql("UPDATE notices SET last_at = now() - interval '31 days'")
    async with api.runtime.unit_of_work() as uow:
        assert await notifications.forget(uow.session, AGE) == 1
    assert await notices(api) == []
