"""Replies of measures."""

from datetime import datetime
from uuid import UUID

from service.schema import Reply


class MeasureOut(Reply):
    """What a platform told at one instant."""

    at: datetime
    figures: dict[str, int]
    """By name, such as views, likes, comments, shares, saves, clicks; followers, following, posts.
    What the platform leaves out is missing: it is not zero."""


class _Series(Reply):
    """Measures over time."""

    newest: MeasureOut | None
    change_24h: dict[str, int]
    """By how much the newest figures differ from those of 24 hours before, where both are known."""
    asked_at: datetime | None
    """When the platform answered the last time, with figures or without."""
    next_at: datetime | None
    """When the platform is asked next; null: it is not, or nobody has planned it yet."""
    error: str | None
    """Why the last question had no answer; the figures stay what they were."""
    items: list[MeasureOut]
    """The oldest first."""


class DeliveryMeasures(_Series):
    """How a post does at one account."""

    delivery_id: UUID
    account_id: UUID
    platform: str
    kind: str
    position: int
    gone: bool
    """Whether the platform does not have the post any more, and is asked no more."""


class PostMeasures(Reply):
    """How a post does wherever it is out."""

    post_id: UUID
    deliveries: list[DeliveryMeasures]


class AccountMeasures(_Series):
    """How an account does."""

    account_id: UUID


class AccountSum(Reply):
    """What the posts of one account came to."""

    account_id: UUID
    platform: str
    handle: str
    posts: int
    """How many of them have figures."""
    figures: dict[str, int]
    """Sums of the newest figures, each over the posts that have it."""
    audience: MeasureOut | None
    """The account's own newest figures."""


class PlatformSum(Reply):
    """What all accounts on one platform came to."""

    platform: str
    posts: int
    figures: dict[str, int]
    audience: dict[str, int]


class Summary(Reply):
    """What the posts of the last days came to; accounts without figures are left out."""

    since: datetime
    platforms: list[PlatformSum]
    accounts: list[AccountSum]
