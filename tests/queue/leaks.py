"""What a database may not hold once every job has ended: keys of jobs that no longer exist."""

from collections.abc import Iterable

from arq.connections import ArqRedis

_OF_ONE_JOB = ("arq:job:", "arq:retry:", "arq:in-progress:", "almanac:limit:job:")
_INDEXES = (":high", ":low", ":claims", ":crashes")
_ATTEMPTS = ":attempts:"
_SLOTS = "almanac:limit:slots:"
_CRON_ID = "cron:"
"""arq keeps the in-progress key of a tick for a minute after its end, as a guard."""


async def leaked_keys(redis: ArqRedis) -> list[str]:
    """Return, sorted, each key or `key: member` that belongs to a job that is in no queue.

    Call it when nothing runs. Results, dead jobs with their errors, events, counts, health, paused
    queues and what expires by itself and names no job (locks, rates, remembered replies) may stay.
    """
    database = {key.decode(): await _members(redis, key) async for key in redis.scan_iter()}
    queued = {i for name, ids in database.items() if _is_queue(name) for i in ids}
    found = {f"arq:job:{i} (missing)" for i in queued if f"arq:job:{i}" not in database}
    for name, members in database.items():
        job_id = _job_of(name)
        dead = set(database.get(f"{name.partition(_ATTEMPTS)[0]}:dead", ()))
        if job_id is not None and job_id not in (queued | dead if _ATTEMPTS in name else queued):
            found.add(name)
        if name.endswith(_INDEXES) or name.startswith(_SLOTS) or name == "arq:abort":
            found.update(f"{name}: {i}" for i in members if i not in queued)
        if name.endswith((":dead", ":dead:jobs")):
            queue = name.removesuffix(":jobs").removesuffix(":dead")
            both = [set(database.get(f"{queue}{end}", ())) for end in (":dead", ":dead:jobs")]
            found.update(f"{queue}:dead: {i}" for i in both[0] ^ both[1])
    return sorted(found)


async def _members(redis: ArqRedis, key: bytes) -> Iterable[str]:
    kind = await redis.type(key)
    if kind == b"zset":
        return [member.decode() async for member, _ in redis.zscan_iter(key)]
    if kind == b"hash":
        return [field.decode() async for field, _ in redis.hscan_iter(key.decode())]
    return ()


def _is_queue(name: str) -> bool:
    return name == "arq:queue" or (name.startswith("almanac:") and name.count(":") == 1)


def _job_of(name: str) -> str | None:
    """Return the id of the job that a key belongs to, None for any other key."""
    if _ATTEMPTS in name:
        return name.partition(_ATTEMPTS)[2]
    for prefix in _OF_ONE_JOB:
        job_id = name.removeprefix(prefix)
        if job_id != name and not job_id.startswith(_CRON_ID):
            return job_id
    return None
