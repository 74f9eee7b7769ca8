"""Records in an account's repository: written, found and removed (com.atproto.repo)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from service.platforms.bluesky.api import Api, error_code, refusal
from service.platforms.failures import Ambiguous
from service.platforms.http import decode, exhausted_until, send

Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that is in the repository."""

    uri: str
    cid: str
    pause_until: datetime | None = None
    """The account has used up its limit."""


class _Reference(msgspec.Struct):
    uri: str
    cid: str


class _Written(msgspec.Struct):
    results: tuple[_Reference, ...] = ()


def parts_of(uri: str) -> tuple[str, str, str]:
    """Return repository, collection and key of an at:// URI."""
    did, collection, rkey = uri.removeprefix("at://").split("/")
    return did, collection, rkey


async def put(api: Api, uri: str, record: Record, deadline: float) -> Stored:
    """Write a record, replacing what is there: a repeat changes nothing."""
    step = api.step("posting", deadline=deadline, commits=True)
    did, collection, rkey = parts_of(uri)
    body = {"repo": did, "collection": collection, "rkey": rkey, "record": record}
    answer = await api.post(step, "com.atproto.repo.putRecord", json=body)
    found = decode(step, answer, _Reference)
    return Stored(found.uri, found.cid, exhausted_until(answer))


async def create_all(api: Api, records: Sequence[tuple[str, Record]], deadline: float) -> Stored:
    """Create records, all or none, and return the first; none may be there.

    Args:
        records: each with its URI; all in one repository.
        deadline: seconds.

    Raises:
        Ambiguous: also where a record is there already, for which servers answer 500.
    """
    step = api.step("posting", deadline=deadline, commits=True)
    did, _, _ = parts_of(records[0][0])
    writes = [_create(uri, record) for uri, record in records]
    body = {"repo": did, "writes": writes}
    answer = await api.post(step, "com.atproto.repo.applyWrites", json=body)
    results = decode(step, answer, _Written).results
    if not results:
        raise Ambiguous(step.says("the answer names no record; the post is there"))
    return Stored(results[0].uri, results[0].cid, exhausted_until(answer))


def _create(uri: str, record: Record) -> dict[str, object]:
    _, collection, rkey = parts_of(uri)
    return {
        "$type": "com.atproto.repo.applyWrites#create",
        "collection": collection,
        "rkey": rkey,
        "value": record,
    }


async def find(api: Api, uri: str) -> Stored | None:
    """Return a record of any repository, or None when there is none."""
    step = api.step("looking for the post")
    did, collection, rkey = parts_of(uri)
    params = {"repo": did, "collection": collection, "rkey": rkey}
    url = f"{api.server}/xrpc/com.atproto.repo.getRecord"
    answer = await send(api.outbound, step, "GET", url, params=params)
    if error_code(answer) == "RecordNotFound":
        return None
    if not answer.is_success:
        raise refusal(step, answer)
    found = decode(step, answer, _Reference)
    return Stored(found.uri, found.cid)


async def delete(api: Api, uri: str) -> None:
    """Remove a record; one that is not there is no error."""
    step = api.step("removing the post")
    did, collection, rkey = parts_of(uri)
    body = {"repo": did, "collection": collection, "rkey": rkey}
    await api.post(step, "com.atproto.repo.deleteRecord", json=body)
