"""The scripts on a real server whose keys expire by the model's clock."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import redis
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

import workers.engine
from service.queue.scripting import source
from tests.queue.leaks import leaked_keys

QUEUE = "almanac:model"
_WORKER_SIDE = ("claim", "finish", "release", "renew", "started")
_DIRECTORY = Path(workers.engine.__file__).with_name("scripts")
# Real time must not pass: what it reads with a time to live it makes permanent, and says how long
# that was. Payloads keep theirs, because scripts read it.
_DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local value
  if kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'stream' then value = { redis.call('XLEN', key) }
  end
  local left = redis.call('PTTL', key)
  if left >= 0 and ARGV[1] == '' and string.sub(key, 1, 8) ~= 'arq:job:' then
    redis.call('PERSIST', key)
  end
  found[#found + 1] = { key, kind, value, left }
end
return found
"""

Dump = dict[str, Any]


def text_of(name: str) -> str:
    """Return a script of either side."""
    if name in _WORKER_SIDE:
        return (_DIRECTORY / f"{name}.lua").read_text()
    return source(name)


class Server:
    """One database, empty at first.

    Attributes:
        deadlines: when each key ends, in ms of the model's clock; payloads are not among them.
    """

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.deadlines: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def close(self) -> None:
        """Disconnect."""
        self.redis.close()

    def run(self, name: str, now: int, *arguments: Any, keys: Sequence[str] = (QUEUE,)) -> Any:
        """Run a script of either side; raises redis-py's errors."""
        text = self._texts.setdefault(name, text_of(name))
        return self.redis.eval(text, len(keys), *keys, str(now), *arguments)

    def send(self, *command: str | int | bytes) -> Any:
        """Send any command."""
        return self.redis.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's

    def read(self, now: int) -> Dump:
        """Return what the database holds, and note when it ends."""
        rows = cast("list[Any]", self.redis.eval(_DUMP, 0, ""))
        dump: Dump = {}
        for key, kind, value, left in rows:
            name = key.decode()
            dump[name] = _plain(kind, value)
            if left >= 0 and not name.startswith("arq:job:"):
                self.deadlines[name] = now + -(-left // 1000) * 1000
        self.deadlines = {name: at for name, at in self.deadlines.items() if name in dump}
        return dump

    def snapshot(self) -> Any:
        """Return what the database holds, and change nothing."""
        rows = cast("list[Any]", self.redis.eval(_DUMP, 0, "keep"))
        return sorted((key, kind, str(value), left >= 0) for key, kind, value, left in rows)

    def expire(self, now: int, payloads: Iterable[tuple[str, int]]) -> None:
        """Delete what has ended by now; give payloads, by id, the time that is left to them."""
        ended = [name for name, at in self.deadlines.items() if at <= now]
        for job_id, at in payloads:
            if at <= now:
                ended.append(f"arq:job:{job_id}")
            else:
                self.redis.pexpire(f"arq:job:{job_id}", at - now)
        if ended:
            self.redis.delete(*ended)


def _plain(kind: bytes, value: Any) -> Any:
    if kind == b"string":
        return value
    if kind in (b"list", b"stream"):
        return len(value) if kind == b"list" else value[0]
    pairs = [item.decode() for item in value]
    names, values = pairs[::2], pairs[1::2]
    if kind == b"zset":
        return {name: int(float(score)) for name, score in zip(names, values, strict=True)}
    return dict(zip(names, values, strict=True))


async def assert_nothing_leaked(url: str) -> None:
    """Look for keys of jobs that no longer exist."""
    pool = ConnectionPool.from_url(url)
    client = ArqRedis(pool)
    try:
        leaked = await leaked_keys(client)
        assert not leaked, leaked
    finally:
        await client.aclose()
        await pool.aclose()
