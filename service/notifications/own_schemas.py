"""Requests and replies of what single users are told."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from service.notifications.models import MailWish
from service.notifications.own_rules import MAX_KEY, MAX_LINK, MAX_TEXT, MAX_TITLE
from service.schema import Reply, Schema

Line = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")]


class OwnNotification(Reply):
    """Something that the caller was told."""

    id: UUID
    kind: str
    title: str
    text: str
    link: str | None
    """A path of this site, or a URL."""
    created_at: datetime
    read_at: datetime | None


class OwnNotificationList(Reply):
    """A page of what the caller was told."""

    items: list[OwnNotification]
    next_cursor: str | None


class NewsIn(Schema):
    """What users are told; by name, or everybody."""

    user: Annotated[Line, Field(max_length=64, examples=["ann"])] | None = None
    """The name of the one who is told."""
    everybody: bool = False
    title: Annotated[Line, Field(max_length=MAX_TITLE, examples=["Maintenance on Sunday"])]
    text: str = Field("", max_length=MAX_TEXT)
    link: str | None = Field(None, max_length=MAX_LINK, examples=["/calendar"])
    """A path of this site, or an http(s) URL."""
    key: Annotated[Line, Field(max_length=MAX_KEY)] | None = None
    """Told twice under one key, a user hears of it once."""

    @model_validator(mode="after")
    def _one_or_all(self) -> Self:
        if self.everybody == (self.user is not None):
            raise PydanticCustomError("whom", "say whom: a user, or everybody")
        return self


class NewsOut(Reply):
    """To how many users it is new."""

    told: int


class SettingsIn(Schema):
    """How the caller wants to be told, beside the dashboard."""

    email: str | None = Field(None, examples=["ann@example.com"])
    mail: MailWish
    """`immediately`: each at once; `digest`: one mail a day; `off`: none."""


class SettingsOut(Reply):
    """How the caller wants to be told."""

    email: str | None
    mail: MailWish
