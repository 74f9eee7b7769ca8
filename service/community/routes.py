"""HTTP of members and of who follows whom.

The app that members use calls this in their names: a member is named in the path or the body.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.community import actions, member_queries, rules, schemas
from service.community.models import Member
from service.kit.pagination import Rows
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Paging, Uow

router = APIRouter(prefix="/v1/members", tags=["community"], responses=ERRORS)
Beginning = Annotated[
    str | None,
    Query(
        max_length=254,
        pattern=schemas.LINE,
        description="How a username, a mail address or a name begins",
    ),
]


@router.post("", status_code=201, response_model=schemas.MemberOut)
async def create(
    body: schemas.MemberIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Add a member of the community, and send them a welcome mail."""
    made = await actions.create(uow, caller, body)
    await note(uow.session, caller.actor, "members.create", f"member:{made.id}")
    return await once.reply(schemas.MemberOut.model_validate(made))


@router.get("")
async def list_members(
    caller: ContentReader,
    page: Paging,
    uow: Uow,
    q: Beginning = None,
    active: Annotated[bool | None, Query(description="Only those that are, or are not")] = None,
) -> schemas.MemberList:
    """List members, the newest first."""
    beginning = rules.folded(q.strip()) if q else None
    return _shown(await member_queries.list_members(uow.session, page, beginning, active=active))


@router.get("/{member_id}")
async def show(member_id: UUID, caller: ContentReader, uow: Uow) -> schemas.MemberOut:
    """Show a member."""
    found = await member_queries.member(uow.session, member_id)
    if found is None:
        raise actions.no_member()
    return schemas.MemberOut.model_validate(found)


@router.patch("/{member_id}")
async def change(
    member_id: UUID, body: schemas.MemberChange, caller: ContentWriter, uow: Uow
) -> schemas.MemberOut:
    """Change a member; `is_active: false` keeps them from doing anything and from all mail."""
    changed = await actions.change(uow.session, member_id, body)
    fields = sorted(body.model_fields_set)
    await note(uow.session, caller.actor, "members.change", f"member:{member_id}", fields=fields)
    return schemas.MemberOut.model_validate(changed)


@router.delete("/{member_id}", status_code=204)
async def delete(
    member_id: UUID,
    caller: ContentWriter,
    uow: Uow,
    content: Annotated[
        Literal["delete", "keep"],
        Query(description="`keep`: public posts and all comments stay, without an author"),
    ] = "delete",
) -> Response:
    """Delete a member: their likes, shares and follows go, and what they wrote.

    Answers below their comments go with them. Posts for followers or for themselves alone are
    deleted in any case, for nobody could see them.
    """
    await actions.delete(uow.session, member_id, keep=content == "keep")
    subject = f"member:{member_id}"
    await note(uow.session, caller.actor, "members.delete", subject, content=content)
    return Response(status_code=204)


@router.put("/{member_id}/following/{followed_id}")
async def follow(
    member_id: UUID, followed_id: UUID, caller: ContentWriter, uow: Uow
) -> schemas.FollowOut:
    """Let a member follow another; a second time changes nothing."""
    changed = await actions.follow(uow.session, member_id, followed_id)
    return schemas.FollowOut(
        follower_id=member_id, followed_id=followed_id, follows=True, changed=changed
    )


@router.delete("/{member_id}/following/{followed_id}")
async def unfollow(
    member_id: UUID, followed_id: UUID, caller: ContentWriter, uow: Uow
) -> schemas.FollowOut:
    """Let a member no longer follow another; a second time changes nothing."""
    changed = await actions.unfollow(uow.session, member_id, followed_id)
    return schemas.FollowOut(
        follower_id=member_id, followed_id=followed_id, follows=False, changed=changed
    )


@router.get("/{member_id}/followers")
async def followers(
    member_id: UUID, caller: ContentReader, page: Paging, uow: Uow
) -> schemas.MemberList:
    """List who follows a member; who joined last comes first."""
    await show(member_id, caller, uow)
    return _shown(await member_queries.followers(uow.session, member_id, page))


@router.get("/{member_id}/following")
async def following(
    member_id: UUID, caller: ContentReader, page: Paging, uow: Uow
) -> schemas.MemberList:
    """List whom a member follows; who joined last comes first."""
    await show(member_id, caller, uow)
    return _shown(await member_queries.following(uow.session, member_id, page))


def _shown(rows: Rows[Member]) -> schemas.MemberList:
    items = [schemas.MemberOut.model_validate(each) for each in rows.items]
    return schemas.MemberList(items=items, next_cursor=rows.next_cursor)
