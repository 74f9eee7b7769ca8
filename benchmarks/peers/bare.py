"""A bare loop, the ceiling of an engine: claim, run, finish, and nothing else.

It reads arq's payloads and writes arq's results by two batched scripts over one pipelined
connection (hiredis on uvloop): a batch's finish and the next claim are one round trip. It has no
lease renewal, fence, timeouts, retries, limits, lanes, events or counters, and does not stop well.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import hiredis
import msgspec
import uvloop

from benchmarks.peers.jobs import NAMES, WithContext
from benchmarks.peers.ours import sender as sender

QUEUE = b"almanac:bench"
IDLE_SECONDS = 0.001
CLAIM = b"""
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local claimed = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  if redis.call('SET', 'arq:in-progress:' .. id, '1', 'NX', 'PX', 10000) then
    redis.call('ZADD', KEYS[1], now + 10000, id)
    claimed[#claimed + 1] = id
    claimed[#claimed + 1] = redis.call('GET', 'arq:job:' .. id)
  end
end
return claimed
"""
FINISH = b"""
for i = 1, #ARGV, 2 do
  local id = ARGV[i]
  redis.call('SET', 'arq:result:' .. id, ARGV[i + 1], 'PX', 3600000)
  redis.call('DEL', 'arq:job:' .. id, 'arq:in-progress:' .. id, 'arq:retry:' .. id)
  redis.call('ZREM', KEYS[1], id)
end
"""
FUNCTIONS = {f"bench.{name}": getattr(WithContext, name) for name in NAMES}


class Payload(msgspec.Struct, rename={"function": "f", "args": "a", "kwargs": "k", "sent": "et"}):
    """arq's job."""

    function: str
    args: list[Any]
    kwargs: dict[str, Any]
    sent: int


_Pack = Callable[[tuple[bytes | str | int, ...]], bytes]
_pack: _Pack = hiredis.pack_command  # type: ignore[assignment] # its stub allows one word
_decode = msgspec.json.Decoder(Payload).decode
_encode = msgspec.json.Encoder().encode


class Link(asyncio.Protocol):
    """Commands in, replies out, in order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[list[bytes]]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = transport.write  # type: ignore[attr-defined] # a socket's has it

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            waiting = self._waiting.popleft()
            if isinstance(reply, hiredis.ReplyError):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)

    def call(self, *words: bytes | str | int) -> "asyncio.Future[list[bytes]]":
        """Send a command now; the future is its reply."""
        future: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._write(_pack(words))
        return future


async def _run(job_id: bytes, payload: bytes) -> tuple[bytes, bytes]:
    job, began = _decode(payload), time.time_ns() // 1_000_000
    result = await FUNCTIONS[job.function](None, *job.args, **job.kwargs)
    record = {"f": job.function, "a": job.args, "k": job.kwargs, "et": job.sent, "s": True}
    ended = time.time_ns() // 1_000_000
    return job_id, _encode({**record, "r": result, "st": began, "ft": ended, "q": "bench"})


async def _serve(url: str, batch: int) -> None:
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(Link, str(address.hostname), address.port or 6379)
    claim = (b"EVAL", CLAIM, 1, QUEUE, batch)
    claimed = await link.call(*claim)
    while True:
        pairs = zip(claimed[::2], claimed[1::2], strict=True)
        ended = await asyncio.gather(*(_run(job_id, payload) for job_id, payload in pairs))
        if ended:
            link.call(b"EVAL", FINISH, 1, QUEUE, *(word for pair in ended for word in pair))
        else:
            await asyncio.sleep(IDLE_SECONDS)
        claimed = await link.call(*claim)


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM, claiming this many at once."""
    uvloop.run(_serve(url, slots))
