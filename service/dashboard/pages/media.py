"""Media: images and videos for posts. Seen by their owner, kept while a post shows them."""

from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile as Sent

from service.access.caller import Scope
from service.dashboard.view import ContentReader, ContentWriter, View
from service.errors import (
    AlmanacError,
    Conflict,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    Problem,
)
from service.kit.pagination import Page
from service.media import actions, queries, routes, variants
from service.media.kinds import TYPES
from service.media.models import Media
from service.web import Opened, Paging, Uow

router = APIRouter(include_in_schema=False)
NEWEST = 3
"""Posts that are named of those that show a file."""
MOST_DELETED = 200
KINDS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WebP",
    "video/mp4": "MP4",
    "video/quicktime": "QuickTime",
    "video/webm": "WebM",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=3600",
    "Vary": "Cookie",
}
"""Of a file that somebody sent: whatever it holds, it is shown and runs nothing."""


@router.get("/media")
async def show_all(view: ContentReader, page: Paging, uow: Uow) -> Response:
    """Show what was uploaded, with the posts that show it."""
    return await _page(view, page, uow)


async def _page(
    view: View,
    page: Page,
    uow: Uow,
    refused: list[tuple[str, str]] | None = None,
    kept: int = 0,
) -> Response:
    found = await routes.list_media(view.caller, page, uow)
    used = None
    if view.caller.may(Scope.POSTS_READ):
        ids = [file.id for file in found.items]
        used = await queries.usage(uow.session, view.caller, ids, NEWEST)
    return await view.page(
        "media.html",
        422 if refused else 200,
        files=found.items,
        used=used,
        most_found=queries.MOST_FOUND,
        cursor=found.next_cursor,
        first=not page.before,
        refused=refused or [],
        kept=kept,
        may_write=view.caller.may(Scope.CONTENT_WRITE),
        types=",".join(TYPES),
        kinds=KINDS,
        most=view.runtime.settings.max_upload_bytes,
        most_video=view.runtime.settings.max_video_bytes,
    )


@router.get("/media/{media_id}/file")
async def show_file(media_id: UUID, view: ContentReader, uow: Uow) -> Response:
    """Serve an image or a video to who may see it; in ranges, so that a video can be wound."""
    row = await routes.found(uow, view.caller, media_id)
    path = actions.file_path(view.runtime.settings.media_folder, row.sha256)
    if not path.is_file():
        raise NotFound("The bytes of this file are not on this machine")
    return FileResponse(
        path,
        headers=HEADERS,
        media_type=row.content_type,
        filename=row.filename,
        content_disposition_type="inline",
    )


@router.get("/media/{media_id}/thumbnail")
async def show_thumbnail(media_id: UUID, view: ContentReader, runtime: Opened) -> Response:
    """Serve a small image of an image, or the image itself where it is small."""
    async with runtime.unit_of_work() as uow:
        row = await routes.found(uow, view.caller, media_id)
    path = await variants.thumbnail(runtime, row)
    if path is not None:
        return FileResponse(path, headers=HEADERS, media_type=variants.THUMBNAIL.content_type)
    path = actions.file_path(runtime.settings.media_folder, row.sha256)
    return FileResponse(path, headers=HEADERS, media_type=row.content_type)


@router.post("/media")
async def upload(view: ContentWriter, uow: Uow) -> Response:
    """Keep each image and video; say what is wrong with each file that is neither."""
    sent = [file for file in view.form.getlist("files") if isinstance(file, Sent) and file.filename]
    if not sent:
        return view.go("/media", "Choose at least one file", done=False)
    refused = []
    for file in sent:
        if (wrong := await _store(view, file)) is not None:
            refused.append((file.filename or "", wrong))
    kept = len(sent) - len(refused)
    if refused:
        return await _page(view, Page(), uow, refused, kept)
    return view.go("/media", f"{_files(kept)} uploaded")


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count} files are"


async def _store(view: View, file: Sent) -> str | None:
    """Keep a file; return what is wrong with it instead."""
    try:
        kept = await routes.keep(view.runtime, file.file, file.filename)
        async with view.runtime.unit_of_work() as uow:
            await routes.upload(kept, view.caller, uow)
    except InvalidInput as error:
        return error.problems[0].message
    except (PayloadTooLarge, Conflict) as error:
        return error.message
    return None


@router.post("/media/delete")
async def delete(view: ContentWriter) -> Response:
    """Delete files that no post shows, once somebody has seen which."""
    chosen = _chosen(view)
    async with view.runtime.unit_of_work() as uow:
        files = await queries.media_by_id(uow.session, view.caller, chosen)
        shown = await queries.shown(uow.session, chosen) if files else set()
    if not files:
        return view.go("/media", "Select what to delete first", done=False)
    if view.form.get("confirmed") != "yes":
        unused = [row for row in files if row.id not in shown]
        kept = [row for row in files if row.id in shown]
        return await view.page("media_delete.html", files=unused, shown=kept)
    refused = [wrong for row in files if (wrong := await _delete(view, row))]
    gone = f"{_files(len(files) - len(refused))} deleted"
    if not refused:
        return view.go("/media", gone)
    return view.go("/media", f"{gone}. Kept: {'; '.join(refused)}", done=False)


def _chosen(view: View) -> list[UUID]:
    found: list[UUID] = []
    for text in view.form.getlist("media")[:MOST_DELETED]:
        try:
            found.append(UUID(str(text)))
        except ValueError:
            raise InvalidInput([Problem("media", "is not the id of a file")]) from None
    return list(dict.fromkeys(found))


async def _delete(view: View, row: Media) -> str | None:
    """Delete a file; return why not instead."""
    try:
        await routes.delete(row.id, view.caller, view.runtime)
    except AlmanacError as error:
        return f"{row.filename} ({error.message})"
    return None
