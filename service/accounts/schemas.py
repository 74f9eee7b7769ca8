"""Requests and replies of accounts and platforms."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SecretStr

from service.platforms.limits import Replies
from service.schema import Reply, Schema

Credential = Annotated[SecretStr, Field(max_length=4096)]


class AccountIn(Schema):
    """An account to connect. Its credentials are checked with the platform at once."""

    platform: str = Field(max_length=40, examples=["mastodon"])
    base_url: str | None = Field(None, max_length=500, examples=["https://mastodon.example"])
    """The account's server, where the platform has many."""
    credentials: dict[str, Credential] = Field(
        default_factory=dict, max_length=10, examples=[{"access_token": "…"}]
    )
    """What the platform wants, see `credentials` at `GET /v1/platforms`."""
    sandbox: bool = False
    """Nothing is sent: posts are checked by the platform's rules and shown on a page here. Takes
    the credentials of the platform `feed`: a handle."""


class CredentialsIn(Schema):
    """New credentials of an account that is connected. They are checked with the platform."""

    credentials: dict[str, Credential] = Field(
        default_factory=dict, max_length=10, examples=[{"access_token": "…"}]
    )
    """What the platform wants, see `credentials` at `GET /v1/platforms`."""


class AccountOut(Reply):
    """A connected account; credentials are never shown."""

    id: UUID
    platform: str
    handle: str
    display_name: str
    base_url: str
    local: bool
    """Whether its posts are on pages of this installation: feeds and sandboxes."""
    state: str
    limits: dict[str, Any]
    token_expires_at: datetime | None
    """When its present token ends; it is renewed before. Null: it does not end by itself."""
    refresh_error: str | None
    """Why the token could not be renewed the last time; null after a success."""
    limited_until: datetime | None
    """The platform takes nothing more of this account before."""
    connected_at: datetime
    created_at: datetime


class AccountList(Reply):
    """A page of accounts."""

    items: list[AccountOut]
    next_cursor: str | None


class CredentialOut(Reply):
    """One thing that connecting an account takes."""

    description: str
    required: bool
    secret: bool


class OptionOut(Reply):
    """One thing beside text and media that an author can choose."""

    description: str
    kind: Literal["text", "choice", "flag", "words"]
    choices: list[str]
    required: bool
    default: str | bool | None
    most: int | None
    """Characters of a text, or of all words together."""


class ConnectOut(Reply):
    """How an account is connected."""

    browser: bool
    """Whether a person can log in there: `POST /v1/accounts/authorize`."""
    server: bool
    """Whether `base_url` says which server the account is on; else it means nothing."""
    fields: dict[str, CredentialOut]
    """What `credentials` holds otherwise."""


class PlatformOut(Reply):
    """A platform: what a post may be there, and what connecting an account takes."""

    name: str
    title: str
    live: bool
    """False: sandbox only; posts are checked by the platform's limits and shown on a page here."""
    limits: dict[str, Any]
    options: dict[str, OptionOut]
    """What a post's `options` may hold for it."""
    replies: Replies
    """What may follow a post: nothing, comments, or comments and further posts."""
    fetches_media: bool
    """Whether it reads images and videos from `ALMANAC_PUBLIC_URL`, which must be https then."""
    deletes: bool
    """Whether a post that is out can be removed from here."""
    measures: bool
    """Whether it tells how a post is received."""
    retries: int
    """After the first attempt, of failures that pass."""
    retry_base_seconds: float
    """Delay before the first retry; doubles with each further one."""
    default_base_url: str | None
    """The server of accounts that name none; null: it must be named, or there is only one."""
    connect: ConnectOut
    credentials: dict[str, CredentialOut]
    """The same as `connect.fields`."""


class PlatformList(Reply):
    """All platforms."""

    items: list[PlatformOut]


class AuthorizeIn(Schema):
    """A login in a browser: of a new account on a platform, or of one that is connected."""

    platform: str | None = Field(None, max_length=40, examples=["mastodon"])
    """Not needed with `account_id`."""
    base_url: str | None = Field(None, max_length=500, examples=["https://mastodon.example"])
    """The account's server, where the platform has many."""
    account_id: UUID | None = None
    """The account to connect again."""


class AuthorizeOut(Reply):
    """Where the person goes on."""

    authorize_url: str
    """To be opened by the user who asked; leads back to `/accounts/callback` here."""
    state: str
    expires_at: datetime
    """The person must be back before."""


class FinishIn(Schema):
    """What the platform sent back to `/accounts/callback`."""

    state: str = Field(min_length=1, max_length=200)
    code: str = Field(min_length=1, max_length=4096)


class ChooseIn(Schema):
    """Which of the accounts that a login opened are to be connected."""

    state: str = Field(min_length=1, max_length=200)
    choices: list[str] = Field(min_length=1, max_length=200, examples=[["1"]])
    """Their ids."""


class ChoiceOut(Reply):
    """An account that a login opened."""

    id: str
    handle: str
    display_name: str
    base_url: str
    connected: bool
    """Whether it is connected already; choosing it renews its credentials."""


class ConnectedOut(Reply):
    """The accounts that are connected now; of several, `choices` asks which."""

    accounts: list[AccountOut]
    choices: list[ChoiceOut]
