"""Small files that break the rules: a check must find exactly the lines marked `# bad`."""

WORKERS = """
async def other(ctx, account_id: UUID) -> None: ...
async def typed(ctx, post_id: str) -> None: ...
def plain(ctx) -> None: ...
async def right(ctx: Context, post_id: UUID, *, size: int = 1) -> dict[str, int]: ...
"""
DECLARED = """
from service.queue import job

@job("accounts.shrink", queue="media", coroutine="workers.media.shrink")
async def shrink() -> None: ...

@job("accounts.store", queue="media", coroutine="workers.media.store")
async def store(size: int) -> None: ...
"""
BESIDE = {
    "service/access/models.py": "",
    "service/posts/models.py": "",
    "service/accounts/routes.py": "",
    "service/accounts/jobs.py": DECLARED,
    "workers/media.py": WORKERS,
}
"""Files that lie beside each example, so that its domains and jobs are known."""

EXAMPLES: list[tuple[str, str, str]] = [
    (
        "layers",
        "schedules/posts.py",
        """
        from datetime import timedelta
        from service.queue import Rule
        from service.posts import jobs  # bad
        """,
    ),
    (
        "periodic rules are data",
        "schedules/posts.py",
        """
        import calendar
        from service.queue import Rule
        from arq import cron  # bad
        """,
    ),
    (
        "layers",
        "service/posts/actions.py",
        """
        import workers.publishing  # bad
        from schedules import posts  # bad
        """,
    ),
    (
        "layers",
        "service/kit/clock.py",
        """
        from service.errors import AlmanacError
        from service.kit import ids
        from service import config  # bad
        from .. import web  # bad
        """,
    ),
    ("layers", "service/errors.py", "from service.kit.clock import now  # bad"),
    ("layers", "service/config.py", "from service.errors import ConfigurationError  # bad"),
    (
        "layers",
        "service/queue/client.py",
        """
        from service.kit import clock
        from service.config import Settings  # bad
        from service.posts.jobs import publish  # bad
        import sqlalchemy  # bad
        """,
    ),
    (
        "layers",
        "service/db/session.py",
        """
        from service.config import Settings
        from service.posts.models import Post  # bad
        """,
    ),
    ("layers", "service/db/migrations/env.py", "from service.posts import models"),
    (
        "layers",
        "workers/engine/worker.py",
        """
        from service.queue import JobType
        from service.config import Settings  # bad
        from service.posts import actions  # bad
        from workers import process  # bad
        """,
    ),
    (
        "layers",
        "service/platforms/mastodon/adapter.py",
        """
        import httpx
        from service.kit.outbound import Outbound
        from service.db.session import Database  # bad
        from service.queue import QueueClient  # bad
        from service.config import Settings  # bad
        from service.posts.models import Post  # bad
        import redis.asyncio  # bad
        """,
    ),
    ("layers", "service/providers/mail.py", "from sqlalchemy import select  # bad"),
    ("layers", "service/runtime.py", "from service.posts import actions  # bad"),
    (
        "borders of domains",
        "service/posts/composing.py",
        """
        import service.accounts  # bad
        from service.access.caller import Caller
        from service.accounts import actions, queries
        from service.accounts.models import Account  # bad
        from service.accounts.queries import accounts_by_id
        from service.accounts.schemas import AccountOut  # bad
        from service.posts.desk import Desk
        from service.app import create_app  # bad
        from . import rules
        from ..accounts import rules as others  # bad
        """,
    ),
    (
        "borders of domains",
        "service/posts/claim_queries.py",
        "from service.accounts.models import Account",
    ),
    (
        "SQL is in queries",
        "service/posts/publishing.py",
        """
        import sqlalchemy as sa  # bad
        from sqlalchemy import Row
        from sqlalchemy import update  # bad
        from sqlalchemy.dialects.postgresql import insert  # bad
        """,
    ),
    ("SQL is in queries", "workers/process.py", "from sqlalchemy import text  # bad"),
    ("SQL is in queries", "service/posts/claim_queries.py", "from sqlalchemy import update"),
    ("SQL is in queries", "service/db/migrate.py", "from sqlalchemy import text"),
    (
        "rules are pure",
        "service/posts/rules.py",
        """
        from service.errors import Problem
        from service.posts.models import DeliveryState
        import asyncio  # bad
        import httpx  # bad
        from redis.exceptions import RedisError  # bad
        from sqlalchemy import Row  # bad
        from service.runtime import Runtime  # bad

        async def due() -> bool:  # bad
            return True
        """,
    ),
    (
        "actions await no network",
        "service/posts/actions.py",
        """
        from sqlalchemy.ext.asyncio import AsyncSession
        import httpx  # bad
        from service.kit.outbound import Outbound  # bad
        from service.runtime import Runtime  # bad
        from service.web import Uow  # bad
        """,
    ),
    (
        "routes know no SQL",
        "service/posts/routes.py",
        """
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.exc import IntegrityError  # bad
        """,
    ),
    (
        "one place commits",
        "service/posts/actions.py",
        """
        async def publish(uow, platform, runtime, name):
            await platform.commit(1)
            await runtime.platforms[name].commit(1)
            await uow.session.commit()  # bad
            connection().commit()  # bad
        """,
    ),
    ("one place commits", "service/db/session.py", "session.commit()"),
    ("one place commits", "workers/engine/ledger.py", "session.commit()"),
    (
        "no import in a function",
        "service/posts/actions.py",
        """
        import json

        def outer():
            import re  # bad
            def inner():
                from service.posts import rules  # bad
        """,
    ),
    ("no import in a function", "service/cli.py", "def up():\n    import uvicorn"),
    (
        "one place imports by name",
        "service/embedded/binaries.py",
        """
        import importlib.metadata
        import importlib.util
        import importlib  # bad
        importlib.util.find_spec("a")
        importlib.import_module("a")  # bad
        __import__("a")  # bad
        """,
    ),
    ("one place imports by name", "service/app.py", "import importlib.util  # bad"),
    ("one place imports by name", "service/runtime.py", "import importlib"),
    (
        "no connection held over the network",
        "service/posts/publishing.py",
        """
        async def free(runtime, platform):
            await platform.commit(1)
            async with runtime.unit_of_work() as uow:
                platform.validate(1)
                await uow.session.refresh(1)
            await runtime.outbound.get("https://example.org")

        async def held(runtime, platform, name):
            async with limit(), runtime.unit_of_work():
                await platform.commit(1)  # bad
                await runtime.platforms[name].check(1)  # bad
            async with runtime.database.session() as session:
                await asyncio.gather(self._adapter.prepare(1))  # bad
                await runtime.outbound.get("https://example.org")  # bad

        async def given(desk: Desk, platform):
            await platform.reconcile(1)  # bad

        async def optional(session: AsyncSession | None, platform):
            async with session.begin():
                await platform.connect("", {})  # bad
        """,
    ),
    (
        "a job has its coroutine",
        "service/posts/jobs.py",
        """
        from service.queue import Queue, job

        @job("posts.gone", queue="media", coroutine="workers.media.gone")
        async def gone() -> None:  # bad
            "No coroutine."

        @job("posts.other", queue="media", coroutine="workers.media.other")
        async def other(post_id: UUID) -> None:  # bad
            "Another name."

        @job("posts.typed", queue="media", coroutine="workers.media.typed")
        async def typed(post_id: UUID) -> None:  # bad
            "Another type."

        @job("posts.plain", queue="media", coroutine="workers.media.plain")
        async def plain() -> None:  # bad
            "Not a coroutine."

        @job("posts.right", queue=Queue.MEDIA, coroutine="workers.media.right")
        async def right(post_id: UUID, *, size: int = 1) -> dict[str, int]:
            "As declared."
        """,
    ),
    (
        "workers run what is declared",
        "workers/media.py",
        """
        from service.accounts import jobs
        from workers import process
        from workers.engine import run

        async def shrink(ctx): ...
        async def store(ctx): ...

        class WorkerSettings:
            functions = (
                run(jobs.shrink, shrink),
                run(jobs.undeclared, store),  # bad
                store,  # bad
            )
        """,
    ),
    (
        "periodic rules name jobs",
        "schedules/accounts.py",
        """
        from service.queue import Rule

        RULES = (
            Rule("accounts.shrink", hour=3),
            Rule("accounts.forgotten"),  # bad
            Rule(job="accounts.store", hour=4),  # bad
        )
        """,
    ),
]
"""A check's name, the path of a file, its source."""
