"""Redis as it is, under all that our client knows of it."""

from typing import Any

from arq.connections import ArqRedis

_READ = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "stream": ("XRANGE", "-", "+"),
}


async def raw(client: ArqRedis, *command: object) -> Any:
    """Send one command and return its reply."""
    return await client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's


async def everything(client: ArqRedis) -> dict[str, Any]:
    """Return every key of the database with its value."""
    found = {}
    for key in sorted(await client.keys()):
        name, *options = _READ[(await client.type(key)).decode()]
        found[key.decode()] = await raw(client, name, key, *options)
    return found
