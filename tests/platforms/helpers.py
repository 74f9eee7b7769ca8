"""Publications whose saves are kept, as JSON, the way a row keeps them."""

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

from service.kit.ids import uuid7
from service.platforms.contract import Content, Destination, Handles, MediaFile, Publication


class Row:
    """What a delivery's and an account's row hold."""

    def __init__(self) -> None:
        self.handles: list[Handles] = []

    async def save(self, handles: Handles) -> None:
        self.handles.append(json.loads(json.dumps(handles)))

    def publication(
        self,
        destination: Destination,
        content: Content,
        *,
        delivery_id: UUID | None = None,
        handles: Handles | None = None,
        committed_since: datetime | None = None,
    ) -> Publication:
        return Publication(
            delivery_id=delivery_id or uuid7(),
            destination=destination,
            content=content,
            save=self.save,
            handles=dict(handles or {}),
            committed_since=committed_since,
        )


def image(
    folder: Path, content: bytes = b"picture", *, content_type: str = "image/png", alt: str = ""
) -> MediaFile:
    """Write an image file."""
    media_id = uuid7()
    path = folder / str(media_id)
    path.write_bytes(content)
    return MediaFile(media_id, path, content_type, len(content), alt)
