"""Files for platforms that fetch them: no key, but an address that nobody can guess."""

from fastapi import APIRouter
from fastapi.responses import FileResponse

from service.errors import NotFound
from service.kit.clock import now
from service.media import addresses
from service.media.actions import file_path
from service.web import ERRORS, Opened

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-transform",
    "X-Robots-Tag": "noindex",
}

router = APIRouter(tags=["media"], responses={404: ERRORS[404]})


@router.head("/m/{token}", include_in_schema=False)
@router.get("/m/{token}", response_class=FileResponse)
async def fetch(token: str, runtime: Opened) -> FileResponse:
    """A file, by an address that Almanac has given to a platform: good for 24 hours, in ranges."""
    found = addresses.named(runtime.keyring, token, now())
    if found is not None:
        path = file_path(runtime.settings.media_folder, found.sha256)
        if path.is_file():
            return FileResponse(path, media_type=found.content_type, headers=HEADERS)
    raise NotFound("There is no such file, or its address has ended")
