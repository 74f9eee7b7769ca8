"""The ends of workflows' jobs: each in one transaction with what its workflow does next.

Ends of one workflow wait for each other, for the lock of its row: so many share a transaction.
"""

from collections.abc import Sequence

from service.db import outbox
from service.db.outbox import Outcome
from service.db.session import UnitOfWork
from service.monitoring import ends
from service.runtime import Runtime
from service.webhooks import queries as webhooks
from service.workflows import actions as workflows
from service.workflows.actions import JobEnd


async def settle(runtime: Runtime, outcomes: Sequence[Outcome]) -> list[bool]:
    """Write ends of steps' jobs, with all that follows; return which rows were still theirs."""
    async with runtime.unit_of_work() as uow:
        await workflows.hold(uow, [outcome.id for outcome in outcomes])
        mine = await outbox.settle_many(uow.session, outcomes)
        settled = [outcome for outcome in outcomes if outcome.id in mine]
        told = [JobEnd(o.id, o.state, o.result, o.error) for o in settled]
        await workflows.jobs_ended(uow, told)
        await _tell(runtime, uow, settled)
    return [outcome.id in mine for outcome in outcomes]


async def _tell(runtime: Runtime, uow: UnitOfWork, settled: Sequence[Outcome]) -> None:
    """Tell people, as of the ends of other jobs."""
    listened = (await uow.session.execute(webhooks.any_enabled())).first() is not None
    for outcome in settled:
        if listened or outcome.state == "failed":
            await ends.row_ended(runtime, uow, outcome.id)
