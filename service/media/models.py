"""Tables of media."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Row


class Media(Row):
    """An uploaded image; the bytes lie in the media folder under their SHA-256."""

    __tablename__ = "media"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    sha256: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str]
