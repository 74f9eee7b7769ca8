"""The engine's scripts with a clock that the tests set."""

from typing import Any, NamedTuple

from service.queue import QueueClient
from tests.engine.bench import KEY
from tests.engine_model.model import jobs_in
from tests.queue.raw import raw
from workers.engine.broker import CLAIM, FINISH, RENEW
from workers.engine.release import _RELEASE  # the text; the function uses the server's clock

T0 = 1_900_000_000_000
"""Unix ms, far ahead of the server's clock."""


class Claimed(NamedTuple):
    """What a claim gave: its status and the ids, with mark, crashes and kind of each."""

    status: str
    ids: list[str]
    due_ms: str
    held: int
    pass_over: int
    marks: list[str]
    crashes: list[int]
    kinds: list[str]


class Caller:
    """One worker's calls; `now` is in ms after T0."""

    def __init__(self, client: QueueClient, incarnation: str = "w.1") -> None:
        self.client = client
        self.incarnation = incarnation

    async def claim(self, number: int, now: int = 0, **options: Any) -> Claimed:
        """Claim with a lease of 10 s, unless the options say otherwise."""
        settings = {
            "wanted": 10,
            "lease": 10_000,
            "expected": "",
            "pass_over": 0,
            "alone": 0,
            "most_crashes": 3,
        } | options
        reply = await raw(
            self.client, "EVAL", CLAIM.text, 1, KEY, T0 + now, self.incarnation, number,
            *settings.values(),
        )  # fmt: skip
        status, _, due, held, pass_over, *jobs = reply
        rows = list(jobs_in(jobs))
        return Claimed(
            status.decode(),
            [row[0].decode() for row in rows],
            due.decode(),
            held,
            pass_over,
            [row[4].decode() for row in rows],
            [int(row[5]) for row in rows],
            [row[6].decode() for row in rows],
        )

    async def finish(self, number: int, now: int, *jobs: tuple[Any, ...]) -> list[int]:
        """Write outcomes, each (id, claim's number, outcome[, at ms after T0[, sha]])."""
        settings = ("1000", "300000", "0", "host:1")
        arguments: list[Any] = [str(T0 + now), self.incarnation, str(number), *settings]
        for job_id, claim, outcome, *rest in jobs:
            at = rest[0] if rest else 0
            sha = rest[1] if len(rest) > 1 else ""
            result = b"{}" if outcome in ("succeeded", "failed", "dead", "cancelled") else b""
            arguments += [
                job_id, f"{self.incarnation}:{claim}", outcome, str(T0 + at), "1", str(T0), sha,
                result, "60000" if result else "0", b"", b"", "",
            ]  # fmt: skip
        codes: Any = await raw(self.client, "EVAL", FINISH.text, 1, KEY, *arguments)
        return list(codes)

    async def renew(self, now: int, *jobs: tuple[str, int, str]) -> list[int]:
        """Renew leases, each (id, claim's number, sha1 of the payload)."""
        arguments: list[str] = [str(T0 + now), self.incarnation, "10000"]
        for job_id, claim, sha in jobs:
            arguments += [job_id, f"{self.incarnation}:{claim}", sha]
        codes: Any = await raw(self.client, "EVAL", RENEW.text, 1, KEY, *arguments)
        return list(codes)

    async def release(self, now: int, *ids: str) -> int:
        """Release what the process of this incarnation held."""
        base = self.incarnation.partition(".")[0]
        count: Any = await raw(
            self.client, "EVAL", _RELEASE, 1, KEY, str(T0 + now), base, "60000", *ids
        )
        return int(count)

    async def add(self, *ids: str, now: int = 0) -> None:
        """Queue jobs that are visible from then on."""
        await self.client.mset({f"arq:job:{job_id}": f"payload of {job_id}" for job_id in ids})
        await self.client.zadd(KEY, dict.fromkeys(ids, T0 + now))

    async def at(self, job_id: str) -> int | None:
        """Return when a job is visible, in ms after T0."""
        score = await self.client.zscore(KEY, job_id)
        return None if score is None else int(score) - T0

    async def expire_leases(self, *ids: str) -> None:
        """Let leases end as time would."""
        await self.client.delete(*(f"arq:in-progress:{job_id}" for job_id in ids))
