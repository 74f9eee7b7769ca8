"""Files that come with the composer's form."""

from typing import cast
from uuid import UUID

from fastapi import UploadFile
from starlette.datastructures import UploadFile as Sent

from service.access.caller import Scope
from service.dashboard.publishing.sheet import Sheet
from service.dashboard.view import View
from service.errors import Conflict, InvalidInput, PayloadTooLarge, Problem
from service.media import routes as media_routes


async def upload(view: View, sheet: Sheet) -> list[Problem]:
    """Keep the files that came with a form, each at its place; return what is wrong with others.

    Raises:
        Forbidden: the caller may upload nothing.
    """
    problems: list[Problem] = []
    for prefix, files in sheet.places.items():
        sent = [
            file
            for file in view.form.getlist(f"{prefix}files")
            if isinstance(file, Sent) and file.filename
        ]
        if sent:
            view.caller.require(Scope.CONTENT_WRITE)
        for file in cast("list[UploadFile]", sent):
            found, wrong = await _keep(view, file)
            problems += [Problem(_field(prefix), message) for message in wrong]
            if found is not None and found not in files.ids:
                files.ids.append(found)
    return problems


def _field(prefix: str) -> str:
    """Return how a request calls the media of a place."""
    kind, _, rest = prefix.rstrip("-").partition("-")
    return {"part": f"thread[{rest}].media", "own": f"overrides.{rest}.media"}.get(kind, "media")


async def _keep(view: View, file: UploadFile) -> tuple[UUID | None, list[str]]:
    name = (file.filename or "")[:80]
    try:
        kept = await media_routes.keep(view.runtime, file.file, file.filename)
        async with view.runtime.unit_of_work() as uow:
            return (await media_routes.upload(kept, view.caller, uow)).id, []
    except InvalidInput as error:
        return None, [f"{name} {problem.message}" for problem in error.problems]
    except (PayloadTooLarge, Conflict) as error:
        return None, [f"{name}: {error.message}"]
