"""Reading a feed or a page from where it is."""

import asyncio
import json
import logging
import signal
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from service.kit.outbound import (
    Answer,
    AnswerLost,
    AnswerTooLarge,
    NotSent,
    Outbound,
    OutboundRefused,
)
from service.kit.process import dying_with_us
from service.providers.sources.contract import MOST_ARTICLES, MOST_TEXT, Article, Source
from service.providers.sources.failures import SourceAway, SourceRefused
from service.providers.waiting import asked_wait

PROGRAM = Path(__file__).with_name("reading_program.py")
PATIENCE = 30.0
"""Seconds in which a source must have come, redirects included."""
READING = 30.0
"""Seconds for reading it; the largest take two."""
AT_ONCE = 2
"""Sources that one process has in reading; each may take some 100 MB for its time."""
_slots: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()
log = logging.getLogger(__name__)


async def read(outbound: Outbound, url: str, limit_bytes: int) -> Source:
    """Read RSS, Atom, JSON Feed or the main text of a page, whatever the server calls it.

    Args:
        outbound: asks the server, and keeps to public addresses.
        url: of the feed or page.
        limit_bytes: a larger one is refused as soon as so many bytes have come.

    Raises:
        SourceAway: it cannot be read now.
        SourceRefused: it is not there, too large, may not be called, or has nothing to read.
    """
    place = _place(url)
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await outbound.fetch(url, max_answer=limit_bytes)
    except OutboundRefused as error:
        raise SourceRefused(f"{place}: {error.message}") from error
    except AnswerTooLarge as error:
        text = f"{place}: {error.message}; name a smaller feed, or raise ALMANAC_SOURCE_BYTES"
        raise SourceRefused(text) from error
    except (NotSent, AnswerLost) as error:
        raise SourceAway(f"{place}: {error.message}") from error
    except TimeoutError:
        raise SourceAway(f"{place}: it did not come within {PATIENCE:g} s") from None
    _check(place, answer)
    about = {
        "url": url,
        "content_type": answer.headers.get("content-type", ""),
        "most_articles": MOST_ARTICLES,
        "most_text": MOST_TEXT,
    }
    found = await _parsed(place, json.dumps(about).encode() + b"\n" + answer.body)
    if "refused" in found:
        raise SourceRefused(f"{place}: it {found['refused']}")
    articles = [_article(**raw) for raw in found["articles"]]
    return Source(found["title"] or httpx.URL(url).host, url, articles)


def _place(url: str) -> str:
    """Return the host of a URL for messages; queries may have secrets."""
    try:
        return f"The source at {httpx.URL(url).host or 'no host'}"
    except httpx.InvalidURL:
        return "The source"


def _check(place: str, answer: Answer) -> None:
    status = answer.status
    if answer.is_success:
        return
    if status >= 500 or status in {408, 425, 429}:
        raise SourceAway(f"{place}: status {status}", asked_wait(answer.headers))
    advice = {
        401: "it wants a login: name a public address",
        403: "it does not let programs read it: ask its owner, or name another address",
        404: "there is nothing at this address: look for the feed's present one",
        410: "it is gone for good: remove it",
    }.get(status, "name another address")
    raise SourceRefused(f"{place}: status {status}; {advice}")


def _article(title: str, url: str, published: str | None, text: str) -> Article:
    at = datetime.fromisoformat(published) if published else None
    return Article(title or text[:80], url, at, text)


async def _parsed(place: str, request: bytes) -> dict[str, Any]:
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
        output, code = await _run(place, request)
    if code != 0:
        log.warning("%s: its reader ended with code %d", place, code)
        raise SourceRefused(f"{place}: it cannot be read: its file is broken, or made to do harm")
    answer: dict[str, Any] = json.loads(output)
    return answer


async def _run(place: str, request: bytes) -> tuple[bytes, int]:
    """Run the reader on a request; it ends with its time, with this task and with this process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=dying_with_us(signal.SIGKILL),
    )
    try:
        async with asyncio.timeout(READING):
            output, _ = await process.communicate(request)
    except TimeoutError:
        raise SourceRefused(f"{place}: it takes too long to read") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):  # it ends by itself just now
                process.kill()
            await asyncio.shield(process.wait())
    assert process.returncode is not None
    return output, process.returncode
