"""HTTP of media."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import InvalidInput, NotFound, Problem
from service.media import actions, queries, schemas
from service.media.arriving import StoredFile, store
from service.media.models import Media
from service.runtime import Runtime
from service.web import ERRORS, ContentReader, ContentWriter, Opened, Paging, Uow

router = APIRouter(prefix="/v1/media", tags=["media"], responses=ERRORS)
MAX_FILENAME = 200


FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody has sent, kept in the media folder."""

    file: StoredFile
    name: str


async def received(request: Request, runtime: Opened, _: ContentWriter) -> AsyncIterator[Upload]:
    """Read the form once it is known who sends it, and keep its file; no connection is held.

    FastAPI would read a form, however large, before it asks for a key.
    """
    async with AsyncExitStack() as stack:
        try:
            form = await stack.enter_async_context(request.form(max_files=1, max_fields=1))
        except HTTPException as error:
            raise InvalidInput([Problem("file", f"cannot be read: {error.detail}")]) from error
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput(
                [Problem("file", "is needed: a file, in a multipart form", "missing")]
            )
        yield await keep(runtime, file.file, file.filename)


async def keep(runtime: Runtime, source: BinaryIO, name: str | None) -> Upload:
    """Keep a file; raises what `store` raises."""
    shown = (name or "upload").replace("\x00", "")[:MAX_FILENAME]
    return Upload(await store(runtime.settings, source), shown)


@router.post("", status_code=201, openapi_extra=FORM)
async def upload(
    sent: Annotated[Upload, Depends(received)], caller: ContentWriter, uow: Uow
) -> schemas.MediaOut:
    """Upload an image or a video. Its type is judged by its content, whatever its name says.

    It is looked into, to its end: what is broken or cut off is refused. The same file again keeps
    its id.
    """
    row = await actions.add(uow.session, caller, sent.file, sent.name)
    await note(uow.session, caller.actor, "media.upload", f"media:{row.id}")
    return schemas.MediaOut.model_validate(row)


@router.get("")
async def list_media(caller: ContentReader, page: Paging, uow: Uow) -> schemas.MediaList:
    """List uploaded images and videos, newest first."""
    rows = await queries.list_media(uow.session, caller, page)
    items = [schemas.MediaOut.model_validate(row) for row in rows.items]
    return schemas.MediaList(items=items, next_cursor=rows.next_cursor)


@router.get("/{media_id}")
async def show(media_id: UUID, caller: ContentReader, uow: Uow) -> schemas.MediaOut:
    """Show the data of an uploaded image or video."""
    return schemas.MediaOut.model_validate(await found(uow, caller, media_id))


async def found(uow: UnitOfWork, caller: Caller, media_id: UUID) -> Media:
    """Return a file's row; raise NotFound if there is none that the caller may see."""
    row = await queries.media(uow.session, caller, media_id)
    if row is None:
        raise NotFound("There is no such media")
    return row


@router.delete("/{media_id}", status_code=204)
async def delete(media_id: UUID, caller: ContentWriter, runtime: Opened) -> Response:
    """Delete an uploaded image or video that no post shows."""
    async with runtime.unit_of_work() as uow:
        digest = await actions.delete(uow.session, caller, media_id)
        await note(uow.session, caller.actor, "media.delete", f"media:{media_id}")
    async with runtime.unit_of_work() as uow:
        await actions.drop_variants(uow.session, runtime.settings.media_folder, digest)
        await actions.drop_file(uow.session, runtime.settings.media_folder, digest)
    return Response(status_code=204)
