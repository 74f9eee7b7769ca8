"""Images, measured and converted by a program of its own (picture_program.py)."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from service.media.measures import Measures, Unusable
from service.media.programs import ProgramFailed, run
from service.platforms.fitting import ImagePlan

PROGRAM = Path(__file__).with_name("picture_program.py")
TIMEOUT = 60.0
"""Seconds for one image; the largest take 10."""
AT_ONCE = 2
"""Images that one process has in work; each may take some 400 MB for its time."""
_slots: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()


async def measured(path: Path) -> Measures:
    """Read a whole image and return its measures.

    Raises:
        Unusable: it is broken, cut off or too large.
    """
    return Measures(**await _ask(do="measure", path=str(path)))


async def convert(source: Path, target: Path, plan: ImagePlan) -> Measures:
    """Write the image that a plan wants.

    Raises:
        Unusable: that cannot be done.
    """
    made = await _ask(do="convert", source=str(source), target=str(target), **asdict(plan))
    return Measures(**made)


async def _ask(**request: Any) -> dict[str, Any]:
    command = [sys.executable, "-P", str(PROGRAM), json.dumps(request)]
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
        try:
            finished = await run(command, timeout=TIMEOUT)
        except ProgramFailed as error:
            raise Unusable(f"The image takes too long to read: {error.message}") from error
    if finished.code != 0:
        said = finished.errors.splitlines()[-1:] or ["no reason given"]
        raise Unusable(f"The image cannot be read: {said[0]}")
    answer: dict[str, Any] = json.loads(finished.output)
    if "refused" in answer:
        raise Unusable(answer["refused"])
    return answer
