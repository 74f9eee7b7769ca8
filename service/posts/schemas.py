"""Requests and replies of posts."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AliasChoices, Field, StringConstraints, model_validator

from service.schema import Reply, Schema

# XML cannot carry control characters and PostgreSQL no NUL: refused at the door, never stripped.
Text = Annotated[
    str,
    StringConstraints(max_length=200_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"),
]
Line = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Instant = Annotated[
    str, Field(max_length=64, examples=["2030-01-31T09:00:00Z", "2030-01-31T09:00:00", "next_slot"])
]
NEXT_SLOT = "next_slot"
"""As a time: the next free slot of each account."""


Late = Literal["ask", "skip", "send"]


class MediaRef(Schema):
    """An uploaded image in a post."""

    id: UUID
    alt: Text = ""
    """What the image shows, for people who do not see it."""


class FollowUp(Schema):
    """What follows a post by itself: the next one of a thread, or a comment of the author's."""

    kind: Literal["thread", "comment"] = "thread"
    text: Text = ""
    media: list[MediaRef] = Field(default_factory=list, max_length=50)
    delay: Annotated[int, Field(ge=0, le=604_800)] = 0
    """Seconds after what it answers: the post before it, or, a comment, the first."""


Option = bool | Annotated[list[Line], Field(max_length=100)] | Text


class Override(Schema):
    """What differs for one account or platform; what is left out is as in the post."""

    text: Text | None = None
    media: list[MediaRef] | None = Field(None, max_length=50)
    options: dict[Line, Option] = Field(default_factory=dict, max_length=50)
    """What the platform lets an author choose, see `options` at `GET /v1/platforms`."""
    thread: list[FollowUp] | None = Field(None, max_length=100)
    """What follows here; an empty list for nothing."""


class PostIn(Schema):
    """A post to schedule; without accounts and platforms it is kept as a draft.

    The names `caption`, `schedule_time`, `content_id` and `hashtags` are accepted as well.
    """

    text: Text = Field("", validation_alias=AliasChoices("text", "caption"))
    link: Line | None = Field(None, examples=["https://example.org/story"])
    media: list[MediaRef] = Field(default_factory=list, max_length=50)
    hashtags: list[Annotated[Line, Field(min_length=1, max_length=100)]] = Field(
        default_factory=list, max_length=50
    )
    """Appended to the text unless it has them."""
    accounts: list[UUID] = Field(default_factory=list, max_length=50)
    platforms: list[Line] = Field(default_factory=list, max_length=20)
    """Names of platforms on which you have exactly one account."""
    overrides: dict[Line, Override] = Field(default_factory=dict, max_length=50)
    """What differs, by account id or platform name."""
    thread: list[FollowUp] = Field(default_factory=list, max_length=100)
    """What follows the post: the rest of a thread, a first comment."""
    late: Late | None = None
    """What to do when its time has passed by more than `ALMANAC_TOO_LATE_AFTER`."""
    publish_at: Instant | None = Field(
        None, validation_alias=AliasChoices("publish_at", "schedule_time")
    )
    """ISO 8601 with an offset, or wall-clock time in `zone`; left out: now.

    `next_slot`: each account's own next free slot, see `PUT /v1/accounts/{account_id}/slots`.
    """
    zone: Annotated[Line, Field(max_length=100)] | None = Field(None, examples=["Europe/Paris"])
    content_id: Annotated[str | int, Field(union_mode="left_to_right")] | None = None
    """Your own id of the content."""
    draft: bool = False
    """Keep it with its accounts, texts and time, but do not schedule it yet."""


class PostChange(Schema):
    """What to change of a post that has not gone out; fields left out stay."""

    text: Text | None = None
    link: Line | None = None
    media: list[MediaRef] | None = Field(None, max_length=50)
    accounts: list[UUID] | None = Field(None, max_length=50)
    """All accounts that it is to go to."""
    overrides: dict[Line, Override] | None = Field(None, max_length=50)
    """All that differs, by account id or platform name."""
    thread: list[FollowUp] | None = Field(None, max_length=100)
    late: Late | None = None
    publish_at: Instant | None = None
    """For a draft, null takes its time away; `next_slot`: the next free slot of each account."""
    zone: Annotated[Line, Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set - {"zone"}:
            raise ValueError(
                "name at least one of text, link, media, accounts, overrides, thread, late, "
                "publish_at"
            )
        return self


class ApproveIn(Schema):
    """An approval of a post that waits for it."""

    revision: int | None = None
    """The `revision` that you have read; refused when it was changed since."""
    schedule: bool = True
    """Schedule it for its time, or publish it now if it has none; false: its author will."""


class ReturnIn(Schema):
    """Why a post is sent back to its author."""

    note: Annotated[Text, Field(min_length=1, max_length=2000)]


class ScheduleIn(Schema):
    """When a draft is to be published: at its own time, else now."""

    publish_at: Instant | None = None
    zone: Annotated[Line, Field(max_length=100)] | None = Field(None, examples=["Europe/Paris"])


class RetryIn(Schema):
    """How to retry a post's deliveries that ended without being published."""

    unconfirmed: Literal["post_again", "mark_published"] | None = None
    """What you saw on the platform, for deliveries whose outcome is unknown."""


class BatchIn(Schema):
    """Posts to publish now, each to the same accounts."""

    posts: list[UUID] = Field(
        min_length=1, max_length=100, validation_alias=AliasChoices("posts", "content_ids")
    )
    accounts: list[UUID] = Field(default_factory=list, max_length=50)
    platforms: list[Line] = Field(default_factory=list, max_length=20)


class AttemptOut(Reply):
    """One try to publish a delivery."""

    version: int
    number: int
    outcome: str
    error: str | None
    worker: str
    started_at: datetime
    finished_at: datetime


class DeliveryOut(Reply):
    """One post going to one account."""

    id: UUID
    account_id: UUID
    platform: str
    state: str
    due_at: datetime
    next_run_at: datetime
    version: int
    attempts: int
    error: str | None
    text: str | None
    media: list[dict[str, Any]] | None
    """Other media than the post's; of a follow-up, its own."""
    options: dict[str, Any]
    kind: str
    """`post`, or of a follow-up `thread` or `comment`."""
    after_id: UUID | None
    """The delivery that a follow-up answers."""
    delay: int | None
    """Of a follow-up: seconds after that one."""
    blocked: bool
    """Whether it waits for that one to be out."""
    hold: str | None
    """Of a held delivery: `account`, `owner` or `late`."""
    remote_id: str | None
    remote_url: str | None
    published_at: datetime | None
    lateness_ms: int | None
    """Milliseconds between `due_at` and `published_at`."""
    removed_at: datetime | None
    """When it was taken back from the platform."""
    removal_error: str | None
    job_id: str | None
    """None for a draft."""


class PostOut(Reply):
    """A post and its deliveries."""

    id: UUID
    state: str
    text: str
    link: str | None
    media: list[dict[str, Any]]
    publish_at: datetime | None
    zone: str
    content_id: str | None
    created_at: datetime
    revision: int
    """Grows with every change."""
    submitted_at: datetime | None
    """Since when it waits for approval."""
    review_note: str | None
    """Why it was sent back."""
    thread: list[dict[str, Any]]
    """What follows it."""
    late: str | None
    deliveries: list[DeliveryOut]
    follow_ups: list[DeliveryOut]
    """Of what follows the post, in order."""
    schedule_ids: list[UUID]
    """The ids of `deliveries`, in the order of the request."""


class PostDetail(PostOut):
    """A post with every attempt."""

    recurrence_id: UUID | None
    """The recurring post that it is an occurrence of."""
    attempts: dict[UUID, list[AttemptOut]]
    """By delivery, oldest first."""


class PostList(Reply):
    """A page of posts."""

    items: list[PostOut]
    next_cursor: str | None


class BatchResultOut(Reply):
    """What became of one post on one platform."""

    post_id: UUID
    account_id: UUID
    platform: str
    state: str
    url: str | None
    error: str | None


class BatchOut(Reply):
    """A batch and what became of it so far."""

    id: UUID
    job_id: str
    published: int
    """Posts that all accounts have."""
    failed: int
    """Posts of which at least one delivery ended without being published."""
    pending: int
    results: list[BatchResultOut]
