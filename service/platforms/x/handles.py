"""What a publication remembers of its uploads to X: a handle `media:<id>` for each file."""

from datetime import timedelta
from typing import Literal

import msgspec

from service.kit.clock import now
from service.platforms.contract import MediaFile, Publication

LIFE_MARGIN = timedelta(minutes=5)
"""How long before its end an upload counts as gone."""

Stage = Literal["sending", "finishing", "processing", "ready"]


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """How far the upload of one file has come."""

    media_id: str
    stage: Stage
    expires_at: float
    """Unix time."""
    sent: int = 0
    """Segments that have arrived."""
    poll: float | None = None
    """Seconds to wait before the first look at the processing."""
    described: bool = False


def media_ids(publication: Publication) -> list[str]:
    """Return the ids of what can be attached, in the order of the post's media."""
    uploads = (stored(publication, file) for file in publication.content.media)
    return [upload.media_id for upload in uploads if upload]


def known_ids(publication: Publication) -> set[str]:
    """Return the ids of whatever was uploaded, however long ago."""
    uploads = (_known(publication, file) for file in publication.content.media)
    return {upload.media_id for upload in uploads if upload}


def _known(publication: Publication, file: MediaFile) -> Upload | None:
    try:
        return msgspec.convert(publication.handles.get(f"media:{file.id}"), Upload)
    except msgspec.ValidationError:
        return None


def stored(publication: Publication, file: MediaFile) -> Upload | None:
    """Return what is known of a file's upload, if X still has it."""
    upload = _known(publication, file)
    alive = upload and upload.expires_at > (now() + LIFE_MARGIN).timestamp()
    return upload if alive else None


async def store(publication: Publication, file: MediaFile, upload: Upload) -> Upload:
    """Remember how far an upload has come."""
    publication.handles[f"media:{file.id}"] = msgspec.to_builtins(upload)
    await publication.save(dict(publication.handles))
    return upload


async def forget(publication: Publication, *files: MediaFile) -> None:
    """Let files be uploaded anew."""
    for file in files:
        publication.handles.pop(f"media:{file.id}", None)
    await publication.save(dict(publication.handles))
