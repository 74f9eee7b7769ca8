"""HTTP of posts and batches."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from service.access.audit import note
from service.db.session import UnitOfWork
from service.errors import NotFound
from service.planning import queries as planning
from service.posts import actions, approving, following, jobs, queries, removing, rules, schemas
from service.posts.desk import Desk
from service.posts.models import UNSCHEDULED, Batch, Delivery, DeliveryState, Post
from service.web import ERRORS, OnceOnly, Opened, Paging, PostsReader, PostsWriter, Uow

router = APIRouter(prefix="/v1/posts", tags=["posts"], responses=ERRORS)


async def writing_desk(runtime: Opened, uow: Uow, caller: PostsWriter) -> Desk:
    """Return what actions that change posts work with."""
    return Desk.of(runtime, uow, caller)


WritingDesk = Annotated[Desk, Depends(writing_desk)]


@router.post("", status_code=201, response_model=schemas.PostOut)
async def schedule(body: schemas.PostIn, desk: WritingDesk, once: OnceOnly) -> JSONResponse:
    """Schedule a post to any number of accounts, or keep it as a draft.

    Where approval is needed, what others than an admin schedule is kept and waits for it.
    """
    return await once.reply(await create(desk, body))


async def create(desk: Desk, body: schemas.PostIn) -> schemas.PostOut:
    """Store a post, and note who did."""
    post = await actions.schedule(desk, body)
    await _note(desk, "create", f"post:{post.id}", publish_at=post.publish_at)
    return show(post)


@router.get("")
async def list_posts(
    caller: PostsReader,
    page: Paging,
    uow: Uow,
    state: Annotated[
        DeliveryState | None, Query(description="Posts with a delivery in this state")
    ] = None,
) -> schemas.PostList:
    """List posts, newest first."""
    rows = await queries.list_posts(uow.session, caller, page, state)
    return schemas.PostList(items=[show(p) for p in rows.items], next_cursor=rows.next_cursor)


@router.post("/batch", status_code=202, response_model=schemas.BatchOut)
async def publish_batch(body: schemas.BatchIn, desk: WritingDesk, once: OnceOnly) -> JSONResponse:
    """Publish several posts now. `GET /v1/jobs/{job_id}?wait=30` waits for the report."""
    batch = await actions.publish_batch(desk, body)
    await _note(desk, "publish_batch", f"batch:{batch.id}", posts=batch.post_ids)
    return await once.reply(await _show_batch(desk.uow, batch), status=202)


@router.get("/batch/{batch_id}")
async def show_batch(batch_id: UUID, caller: PostsReader, uow: Uow) -> schemas.BatchOut:
    """Show what became of a batch so far."""
    batch = await queries.batch(uow.session, caller, batch_id)
    if batch is None:
        raise NotFound("There is no such batch")
    return await _show_batch(uow, batch)


@router.get("/{post_id}")
async def show_post(post_id: UUID, caller: PostsReader, uow: Uow) -> schemas.PostDetail:
    """Show a post with its deliveries and every attempt."""
    post = await queries.post(uow.session, caller, post_id)
    if post is None:
        raise NotFound("There is no such post")
    ids = [delivery.id for delivery in (*post.deliveries, *post.follow_ups)]
    found = await queries.attempts(uow.session, ids)
    by_delivery: dict[UUID, list[schemas.AttemptOut]] = {delivery_id: [] for delivery_id in ids}
    for attempt in found:
        by_delivery[attempt.delivery_id].append(schemas.AttemptOut.model_validate(attempt))
    return schemas.PostDetail(
        **show(post).model_dump(),
        attempts=by_delivery,
        recurrence_id=await planning.recurrence_of(uow.session, post_id),
    )


@router.patch("/{post_id}")
async def change(post_id: UUID, body: schemas.PostChange, desk: WritingDesk) -> schemas.PostOut:
    """Move or edit a post of which nothing has gone out yet."""
    post = await actions.change(desk, post_id, body)
    await _note(desk, "change", f"post:{post_id}", fields=sorted(body.model_fields_set))
    return show(post)


@router.delete("/{post_id}", status_code=204)
async def discard(post_id: UUID, desk: WritingDesk) -> Response:
    """Delete a draft; what was ever scheduled can be cancelled, and stays to be seen."""
    await approving.discard(desk, post_id)
    await _note(desk, "delete", f"post:{post_id}")
    return Response(status_code=204)


@router.post("/{post_id}/cancel")
async def cancel(post_id: UUID, desk: WritingDesk) -> schemas.PostOut:
    """Cancel every delivery that is not out yet."""
    post = await actions.cancel(desk, post_id)
    await _note(desk, "cancel", f"post:{post_id}")
    return show(post)


@router.post("/{post_id}/retry")
async def retry(post_id: UUID, body: schemas.RetryIn, desk: WritingDesk) -> schemas.PostOut:
    """Publish again what failed; for an unknown outcome, say what you saw on the platform."""
    post = await actions.retry(desk, post_id, body)
    await _note(desk, "retry", f"post:{post_id}", unconfirmed=body.unconfirmed)
    return show(post)


@router.post("/{post_id}/withdraw", status_code=202)
async def withdraw(post_id: UUID, desk: WritingDesk) -> schemas.PostOut:
    """Take everything of a post that is out back, where its platforms let an app do that."""
    post = await removing.withdraw(desk, post_id)
    await _note(desk, "withdraw", f"post:{post_id}")
    return show(post)


@router.post("/{post_id}/submit")
async def submit(post_id: UUID, desk: WritingDesk) -> schemas.PostOut:
    """Ask for approval of a draft, which must fit its accounts."""
    post = await approving.submit(desk, post_id)
    await _note(desk, "submit", f"post:{post_id}", revision=post.revision)
    return show(post)


@router.post("/{post_id}/approve")
async def approve(post_id: UUID, body: schemas.ApproveIn, desk: WritingDesk) -> schemas.PostOut:
    """Approve a post that waits for it; where approval is needed, only an admin may."""
    post = await approving.approve(desk, post_id, body)
    await _note(desk, "approve", f"post:{post_id}", revision=post.revision, schedule=body.schedule)
    return show(post)


@router.post("/{post_id}/return")
async def send_back(post_id: UUID, body: schemas.ReturnIn, desk: WritingDesk) -> schemas.PostOut:
    """Send a post that waits for approval back to its author, who is told why."""
    post = await approving.send_back(desk, post_id, body)
    await _note(desk, "return", f"post:{post_id}", revision=post.revision)
    return show(post)


@router.post("/{post_id}/schedule")
async def schedule_draft(
    post_id: UUID, body: schemas.ScheduleIn, desk: WritingDesk
) -> schemas.PostOut:
    """Schedule a draft for its time or another one; without any, publish it now."""
    post = await approving.schedule_draft(desk, post_id, body)
    await _note(desk, "schedule", f"post:{post_id}", publish_at=post.publish_at)
    return show(post)


async def _note(desk: Desk, verb: str, subject: str, **detail: object) -> None:
    await note(desk.session, desk.caller.actor, f"posts.{verb}", subject, **detail)


def show(post: Post) -> schemas.PostOut:
    """Return a post as the API shows it."""
    return schemas.PostOut(
        id=post.id,
        state=following.state_of(post),
        text=post.text,
        link=post.link,
        media=post.media,
        publish_at=post.publish_at,
        zone=post.zone,
        content_id=post.content_ref,
        created_at=post.created_at,
        revision=post.revision,
        submitted_at=post.submitted_at,
        review_note=post.review_note,
        thread=post.thread,
        late=post.late,
        deliveries=[_show_delivery(d) for d in post.deliveries],
        follow_ups=[_show_delivery(d) for d in post.follow_ups],
        schedule_ids=[d.id for d in post.deliveries],
    )


def _show_delivery(delivery: Delivery) -> schemas.DeliveryOut:
    published, due = delivery.published_at, delivery.due_at
    draft = delivery.state in UNSCHEDULED
    return schemas.DeliveryOut(
        id=delivery.id,
        account_id=delivery.account_id,
        platform=delivery.platform,
        state=delivery.state,
        due_at=due,
        next_run_at=delivery.next_run_at,
        version=delivery.version,
        attempts=delivery.attempts,
        error=delivery.error,
        text=delivery.text,
        media=delivery.media,
        options=delivery.options,
        kind=delivery.kind,
        after_id=delivery.after_id,
        delay=None if delivery.gap is None else round(delivery.gap.total_seconds()),
        blocked=delivery.blocked,
        hold=delivery.hold,
        remote_id=delivery.remote_id,
        remote_url=delivery.remote_url,
        published_at=published,
        removed_at=delivery.removed_at,
        removal_error=delivery.removal_error,
        lateness_ms=round((published - due).total_seconds() * 1000) if published else None,
        job_id=None if draft else jobs.publish_job_id(delivery.id, delivery.version),
    )


async def _show_batch(uow: UnitOfWork, batch: Batch) -> schemas.BatchOut:
    report = rules.batch_report(await queries.batch_deliveries(uow.session, batch.id))
    return schemas.BatchOut(
        id=batch.id,
        job_id=jobs.batch_job_id(batch.id),
        published=report.published,
        failed=report.failed,
        pending=report.pending,
        results=[schemas.BatchResultOut.model_validate(result) for result in report.results],
    )
