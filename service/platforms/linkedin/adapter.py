"""LinkedIn: the posts of a member or of a page.

LinkedIn knows no key for a repeated post. After a lost answer a page's own posts are looked
through; what a member has posted may not be read, so that such a post stays unconfirmed.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.platforms.base import Adapter
from service.platforms.contract import (
    Absent,
    CredentialField,
    Destination,
    Found,
    Handles,
    Profile,
    Publication,
    Published,
    Reference,
    Unknown,
    Wait,
)
from service.platforms.failures import AuthFailed, Rejected, TokenExpired
from service.platforms.limits import Replies
from service.platforms.linkedin import media as linkedin_media
from service.platforms.linkedin import post as linkedin_post
from service.platforms.linkedin.api import NAME, Api
from service.platforms.linkedin.errors import SITE
from service.platforms.linkedin.oauth import LinkedInOAuth
from service.platforms.linkedin.post import LIMITS, OPTIONS, ORGANIZATION
from service.platforms.setup import Setup
from service.platforms.tokens import access_token, refresh_token, renewed
from service.platforms.validation import check_credentials

MEMBERS_ARE_PRIVATE = "LinkedIn lets no app read what a member has posted; look there yourself"


class LinkedIn(Adapter):
    """Publishes for one member or one page; the session's `author` says for whom.

    Handles: `media:<id>`, see linkedin_media.py; `out` is the id of what is out.
    """

    name = "linkedin"
    title = NAME
    limits = LIMITS
    default_base_url = SITE
    credential_fields: Mapping[str, CredentialField] = {
        "access_token": CredentialField(
            "An access token with the scopes openid, profile and w_member_social, or for a page "
            "w_organization_social and r_organization_social."
        ),
        "refresh_token": CredentialField("Its refresh token, if there is one.", required=False),
        "organization": CredentialField(
            "The number of the page to post for; by default the member's own profile.",
            required=False,
            secret=False,
        ),
    }
    option_fields = OPTIONS
    replies = Replies.COMMENTS
    deletes = True
    measures = True
    commit_deadline = timedelta(seconds=20)
    visibility_lag = timedelta(minutes=2)
    # Only a page's posts are ever told to be absent: `reconcile` knows nothing of a member's.
    absence_is_proof = True
    refresh_before = timedelta(days=10)

    def __init__(self, setup: Setup) -> None:
        self._outbound = setup.outbound
        self._root = setup.root(self.name, "api.linkedin.com")
        self._login = LinkedInOAuth(setup)
        self.oauth = self._login

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Prove the token and read the member or the page."""
        check_credentials(self.credential_fields, credentials)
        given = {name: text for name, value in credentials.items() if (text := value.strip())}
        page = given.pop("organization", None)
        session: Handles = dict(given)
        if page is not None:
            return await self._login.page(session, page)
        return await self._login.member(session)

    async def refresh(self, destination: Destination) -> Handles:
        """Renew the tokens, where the app may."""
        token = refresh_token(destination.session, destination.credentials)
        if token is None:
            raise AuthFailed(
                f"{NAME}: the login ends after 60 days and LinkedIn gave no refresh token: "
                "connect the account again"
            )
        return renewed(destination.session, await self._login.refresh(token))

    async def prepare(self, publication: Publication) -> None:
        """Upload each image or the video."""
        api = self._api(publication.destination)
        await linkedin_media.upload(api, _author(publication.destination), publication)

    async def check(self, publication: Publication) -> Wait | None:
        """Ask whether LinkedIn has processed them."""
        return await linkedin_media.ready(self._api(publication.destination), publication)

    async def commit(self, publication: Publication) -> Published:
        """Post, or comment on the first post; the id is stored, so that a crash leaves no doubt."""
        if out := _out(publication):
            return out
        destination, seconds = publication.destination, self.commit_deadline.total_seconds()
        api, author = self._api(destination), _author(destination)
        if publication.content.kind == "post":
            body = linkedin_post.body(publication, author)
            made = await api.create_post(body, seconds)
        else:
            post, text = _commented(publication), publication.content.full_text
            made = await api.create_comment(author, post, text, seconds)
        publication.handles["out"] = made
        await publication.save(dict(publication.handles))
        return _published(publication, made)

    async def reconcile(self, publication: Publication) -> Found:
        """Look through what a page has posted; a member's posts cannot be read."""
        if out := _out(publication):
            return out
        destination = publication.destination
        api, author = self._api(destination), _author(destination)
        if publication.committed_since is None:
            return Absent()
        if not author.startswith(ORGANIZATION):
            return Unknown(MEMBERS_ARE_PRIVATE)
        try:
            if publication.content.kind == "post":
                return await linkedin_post.find(api, author, publication)
            post = _commented(publication)
            return await linkedin_post.find_comment(api, author, post, publication)
        except TokenExpired:
            raise
        except AuthFailed as error:
            return Unknown(error.message)

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove the post or the comment."""
        api = self._api(destination)
        if "comment" in post.details:
            where, comment = str(post.details["post"]), str(post.details["comment"])
            await api.delete_comment(_author(destination), where, comment)
        else:
            await api.delete_post(post.remote_id)

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Return the figures of a page's post; LinkedIn gives none of members and comments."""
        author = _author(destination)
        if not author.startswith(ORGANIZATION) or "comment" in post.details:
            return {}
        found = await self._api(destination).share_statistics(author, post.remote_id)
        if found is None:
            return {}
        counts = {
            "views": found.impression_count,
            "likes": found.like_count,
            "comments": found.comment_count,
            "shares": found.share_count,
            "clicks": found.click_count,
        }
        return {name: count for name, count in counts.items() if count is not None}

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Return a page's followers; LinkedIn tells nothing of members."""
        author = _author(destination)
        if not author.startswith(ORGANIZATION):
            return {}
        return {"followers": await self._api(destination).followers(author)}

    def _api(self, destination: Destination) -> Api:
        token = access_token(destination.session, destination.credentials)
        return Api(self._outbound, self._root, token)


def _author(destination: Destination) -> str:
    author = destination.session.get("author")
    if not isinstance(author, str):
        raise AuthFailed(f"{NAME}: it is not known for whom to post: connect the account again")
    return author


def _out(publication: Publication) -> Published | None:
    made = publication.handles.get("out")
    return None if made is None else _published(publication, str(made))


def _published(publication: Publication, made: str) -> Published:
    if publication.content.kind == "post":
        return linkedin_post.published(made)
    return linkedin_post.published_comment(_commented(publication), made)


def _commented(publication: Publication) -> str:
    if publication.reply_to is None:
        raise Rejected(f"{NAME}, commenting: there is no post to comment on")
    return publication.reply_to.remote_id
