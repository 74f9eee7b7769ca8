"""HTTP of measures."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from service.kit.clock import now
from service.measures import actions, rules, schemas
from service.web import ERRORS, PostsReader, Uow

router = APIRouter(prefix="/v1", tags=["measures"], responses=ERRORS)
SHOWN = timedelta(days=30)
"""Before `to`, where a request does not say from when."""

From = Annotated[
    AwareDatetime | None,
    Query(alias="from", description="The first instant; by default 30 days before `to`"),
]
To = Annotated[AwareDatetime | None, Query(description="Up to before this; by default now")]
Days = Annotated[
    int, Query(ge=1, le=rules.KEPT.days, description="Posts that were published in so many days")
]


@router.get("/posts/{post_id}/measures")
async def post_measures(post_id: UUID, caller: PostsReader, uow: Uow) -> schemas.PostMeasures:
    """Show how a post does at each account where it is out, over time."""
    return await actions.of_post(uow.session, caller, post_id)


@router.get("/accounts/{account_id}/measures")
async def account_measures(
    account_id: UUID, caller: PostsReader, uow: Uow, begin: From = None, to: To = None
) -> schemas.AccountMeasures:
    """Show how an account does over time."""
    end = to or now()
    first: datetime = begin or end - SHOWN
    return await actions.of_account(uow.session, caller, account_id, first, end)


@router.get("/measures/summary")
async def summary(caller: PostsReader, uow: Uow, days: Days = 30) -> schemas.Summary:
    """Show what the posts of the last days came to, by platform and by account."""
    return await actions.summary(uow.session, caller, days, now())
