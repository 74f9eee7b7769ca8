"""HTTP of hashtags."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as Part

from service.community import hashtag_queries, rules, schemas
from service.community.feed_cursors import Order, place_of
from service.community.feed_parameters import Cursor, Limit
from service.community.feed_showing import show_page
from service.community.models import Hashtag
from service.errors import NotFound
from service.kit.pagination import DEFAULT_LIMIT
from service.web import ERRORS, ContentReader, Uow

router = APIRouter(prefix="/v1/hashtags", tags=["community"], responses=ERRORS)
Name = Annotated[
    str,
    Part(
        max_length=rules.MAX_HASHTAG + 1,
        pattern=schemas.LINE,
        description="Its name, in whatever case",
    ),
]


@router.get("")
async def list_trending(caller: ContentReader, uow: Uow) -> schemas.HashtagList:
    """List the hashtags that trend, the most used first."""
    found = await hashtag_queries.trending(uow.session)
    return schemas.HashtagList(items=[schemas.HashtagOut.model_validate(each) for each in found])


@router.get("/{hashtag}")
async def show(hashtag: Name, caller: ContentReader, uow: Uow) -> schemas.HashtagOut:
    """Show a hashtag that a public post has had."""
    return schemas.HashtagOut.model_validate(await _find(hashtag, uow))


@router.get("/{hashtag}/posts")
async def posts(
    hashtag: Name,
    caller: ContentReader,
    uow: Uow,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> schemas.FeedList:
    """List the public posts that have a hashtag, the newest first."""
    found = await _find(hashtag, uow)
    after = place_of(Order.NEW, cursor) if cursor else None
    rows = await hashtag_queries.posts_of(uow.session, found.id, after, limit + 1)
    return await show_page(uow.session, Order.NEW, rows, limit)


async def _find(name: str, uow: Uow) -> Hashtag:
    found = await hashtag_queries.hashtag(uow.session, rules.hashtag_of(name))
    if found is None:
        raise NotFound("There is no such hashtag")
    return found
