"""HTTP of media."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response, UploadFile

from service.access.audit import note
from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.media import actions, queries, schemas
from service.media.models import Media
from service.media.storage import StoredFile, store
from service.web import ERRORS, ContentReader, ContentWriter, Opened, Paging, Uow

router = APIRouter(prefix="/v1/media", tags=["media"], responses=ERRORS)
MAX_FILENAME = 200


async def stored(runtime: Opened, file: UploadFile, _: ContentWriter) -> StoredFile:
    """Write the upload to the media folder before a database connection is taken."""
    settings = runtime.settings
    return await asyncio.to_thread(
        store, file.file, settings.media_folder, settings.max_upload_bytes
    )


@router.post("", status_code=201)
async def upload(
    stored_file: Annotated[StoredFile, Depends(stored)],
    file: UploadFile,
    caller: ContentWriter,
    uow: Uow,
) -> schemas.MediaOut:
    """Upload an image. Its type is judged by its content; the same file again keeps its id."""
    name = (file.filename or "upload").replace("\x00", "")[:MAX_FILENAME]
    row = await actions.add(uow.session, caller, stored_file, name)
    await note(uow.session, caller.actor, "media.upload", f"media:{row.id}")
    return schemas.MediaOut.model_validate(row)


@router.get("")
async def list_media(caller: ContentReader, page: Paging, uow: Uow) -> schemas.MediaList:
    """List uploaded images, newest first."""
    rows = await queries.list_media(uow.session, caller, page)
    items = [schemas.MediaOut.model_validate(row) for row in rows.items]
    return schemas.MediaList(items=items, next_cursor=rows.next_cursor)


@router.get("/{media_id}")
async def show(media_id: UUID, caller: ContentReader, uow: Uow) -> schemas.MediaOut:
    """Show an uploaded image's data."""
    return schemas.MediaOut.model_validate(await found(uow, caller, media_id))


async def found(uow: UnitOfWork, caller: Caller, media_id: UUID) -> Media:
    """Return a file's row; raise NotFound if there is none that the caller may see."""
    row = await queries.media(uow.session, caller, media_id)
    if row is None:
        raise NotFound("There is no such media")
    return row


@router.delete("/{media_id}", status_code=204)
async def delete(media_id: UUID, caller: ContentWriter, runtime: Opened) -> Response:
    """Delete an uploaded image that no post shows."""
    async with runtime.unit_of_work() as uow:
        digest = await actions.delete(uow.session, caller, media_id)
        await note(uow.session, caller.actor, "media.delete", f"media:{media_id}")
    async with runtime.unit_of_work() as uow:
        await actions.drop_file(uow.session, runtime.settings.media_folder, digest)
    return Response(status_code=204)
