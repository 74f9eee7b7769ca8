"""HTTP of media."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, UploadFile

from service.access.audit import note
from service.errors import NotFound
from service.media import actions, queries, schemas
from service.media.storage import StoredFile, store
from service.web import ERRORS, ContentReader, ContentWriter, Opened, Uow

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


@router.get("/{media_id}")
async def show(media_id: UUID, caller: ContentReader, uow: Uow) -> schemas.MediaOut:
    """Show an uploaded image's data."""
    row = await queries.media(uow.session, caller, media_id)
    if row is None:
        raise NotFound("There is no such media")
    return schemas.MediaOut.model_validate(row)
