"""Requests and replies of accounts and platforms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, SecretStr

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
    state: str
    limits: dict[str, Any]
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


class PlatformOut(Reply):
    """A platform: what a post may be there, and what connecting an account takes."""

    name: str
    title: str
    live: bool
    """False: sandbox only; posts are checked by the platform's limits and shown on a page here."""
    limits: dict[str, Any]
    credentials: dict[str, CredentialOut]


class PlatformList(Reply):
    """All platforms."""

    items: list[PlatformOut]
