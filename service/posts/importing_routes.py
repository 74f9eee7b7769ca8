"""HTTP of imports."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, UploadFile

from service.access.audit import note
from service.access.caller import Caller
from service.errors import InvalidInput, PayloadTooLarge
from service.kit.records import records
from service.posts import importing
from service.posts.desk import Desk
from service.posts.importing_schemas import ImportOut, Late
from service.runtime import Runtime
from service.web import ERRORS, Opened, PostsWriter

router = APIRouter(prefix="/v1/posts", tags=["posts"], responses=ERRORS)
MOST_LINES = 10_000
"""Of one request; `almanac posts import` takes any number."""


@router.post("/import")
async def import_posts(  # noqa: PLR0913 - one parameter is one option
    file: UploadFile,
    caller: PostsWriter,
    runtime: Opened,
    *,
    dry_run: Annotated[bool, Query(description="Look at everything, store nothing")] = False,
    skip_bad: Annotated[bool, Query(description="Leave bad lines out, take the others")] = False,
    late: Annotated[Late, Query(description="What to do with times that have passed")] = "refuse",
    zone: Annotated[
        str | None, Query(max_length=100, description="Of times without an offset")
    ] = None,
) -> ImportOut:
    """Import posts from CSV or JSON lines: all of them, or none if a line is bad.

    Columns: `id` (yours: a repeat imports nothing twice), `text`, `link`, `media` (ids of
    uploads), `hashtags`, `platforms`, `accounts` (ids, handles or platform:handle), `publish_at`,
    `zone`, `content_id`, `draft`; the names of old systems are taken as well.
    """
    options = importing.Options(zone=zone, late=late, skip_bad=skip_bad, dry_run=dry_run)
    return await take(runtime, caller, file, options)


async def take(
    runtime: Runtime, caller: Caller, file: UploadFile, options: importing.Options
) -> ImportOut:
    """Import a file in one transaction, and note who did.

    Raises:
        InvalidInput: the file, or a line of it, is bad; nothing is imported.
        PayloadTooLarge: it has too many lines.
    """
    if problem := importing.zone_problem(options.zone):
        raise InvalidInput([problem])
    found = records(file.file)
    async with runtime.unit_of_work() as uow:
        running = await importing.Import.begin(Desk.of(runtime, uow, caller), options)
        while batch := list(islice(found, importing.BATCH)):
            await running.take(batch)
            if running.report.lines > MOST_LINES:
                text = (
                    f"A file may have at most {MOST_LINES:,} lines here: use almanac posts import"
                )
                raise PayloadTooLarge(text)
        report = running.end()
        if not options.dry_run:
            detail = {"posts": report.posts, "present": report.present, "bad": report.bad}
            await note(uow.session, caller.actor, "posts.import", "posts", **detail)
    return ImportOut.model_validate(report)
