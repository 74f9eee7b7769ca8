"""One open connection per event loop, opened by whoever needs it and again after a loss."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from service.queue.link import Closed, Link


class Channel:
    """Keeps a link of each event loop that asks for one; any thread may call it.

    Args:
        open_link: makes a link of the running loop and prepares it; raises redis-py's errors.
    """

    def __init__(self, open_link: Callable[[], Awaitable[Link]]) -> None:
        self._open_link = open_link
        self._links: dict[asyncio.AbstractEventLoop, Link] = {}
        self._openings: dict[asyncio.AbstractEventLoop, asyncio.Task[Link]] = {}

    async def link(self) -> Link:
        """Return this loop's link.

        Where there is none, all who ask share one attempt to open it, and its error. Raises
        `Closed` when the channel is closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is not None and not link.lost.done():
            return link
        opening = self._openings.get(loop)
        if opening is None:
            self._forget_closed_loops()
            opening = self._openings[loop] = loop.create_task(self._opened(loop))
            opening.add_done_callback(_look_at)
        # Who gives up waiting does not give up for the others.
        return await asyncio.shield(opening)

    def close(self) -> None:
        """Close the links of all loops; what waits for a reply raises `Closed`."""
        links, self._links, self._openings = self._links, {}, {}
        for loop, link in links.items():
            if loop is _running_loop():
                link.close()
            else:
                with contextlib.suppress(RuntimeError):  # that loop was closed
                    loop.call_soon_threadsafe(link.close)

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Link:
        task = asyncio.current_task()
        try:
            link = await self._open_link()
            if self._openings.get(loop) is not task:
                link.close()
                raise Closed
            self._links[loop] = link
            return link
        finally:
            if self._openings.get(loop) is task:
                del self._openings[loop]

    def _forget_closed_loops(self) -> None:
        for table in (self._links, self._openings):
            for loop in list(table):  # at once: other threads add theirs
                if loop.is_closed():
                    table.pop(loop, None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _look_at(opening: asyncio.Task[Link]) -> None:
    """Keep asyncio from complaining of an error for which nobody waited any more."""
    if not opening.cancelled():
        opening.exception()
