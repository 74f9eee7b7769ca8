"""What most adapters have in common."""

from collections.abc import Mapping
from datetime import timedelta

from service.errors import Problem
from service.platforms.contract import (
    Content,
    CredentialField,
    Destination,
    Handles,
    OAuth,
    Publication,
    Reference,
    Wait,
)
from service.platforms.failures import AuthFailed, Rejected
from service.platforms.limits import Limits, OptionField, Replies
from service.platforms.validation import problems


class Adapter:
    """Defaults of a platform; see `Platform` for what each means."""

    name: str
    title: str
    limits: Limits
    live = True
    local = False
    default_base_url = ""
    has_servers = False
    credential_fields: Mapping[str, CredentialField] = {}
    option_fields: Mapping[str, OptionField] = {}
    replies = Replies.NONE
    fetches_media = False
    deletes = False
    measures = False
    commit_deadline = timedelta(seconds=10)
    visibility_lag = timedelta(0)
    repeat_window = timedelta(0)
    absence_is_proof = False
    retries = 3
    retry_base = timedelta(seconds=60)
    refresh_before = timedelta(minutes=5)
    oauth: OAuth | None = None

    def text_of(self, content: Content) -> str:
        """Return the text with the link below it."""
        return content.full_text

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content, as the platform's figures tell."""
        return problems(
            content,
            self.text_of(content),
            limits,
            options=self.option_fields,
            replies=self.replies,
        )

    async def refresh(self, destination: Destination) -> Handles:
        """Refuse: there is nothing to renew the session with."""
        raise AuthFailed(f"{self.title} refuses the account's credentials: connect it again")

    async def prepare(self, publication: Publication) -> None:
        """Do nothing."""

    async def check(self, publication: Publication) -> Wait | None:
        """Wait for nothing."""
        return None

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Refuse: a person must do it."""
        raise Rejected(f"{self.title} removes no posts for an app: remove it there")

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Tell nothing."""
        return {}

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Tell nothing."""
        return {}
