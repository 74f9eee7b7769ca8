"""HTTP of alerts."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.monitoring import alert_queries as queries
from service.monitoring import alert_schemas as schemas
from service.web import ERRORS, JobsReader, Paging, Uow

router = APIRouter(prefix="/v1/alerts", tags=["alerts"], responses=ERRORS)


@router.get("")
async def list_alerts(
    caller: JobsReader,
    uow: Uow,
    page: Paging,
    is_open: Annotated[
        bool | None, Query(alias="open", description="Only those that are open, or that are over")
    ] = None,
) -> schemas.AlertList:
    """List what people were told of, newest first."""
    rows = await queries.list_alerts(uow.session, page, is_open=is_open)
    items = [schemas.AlertOut.model_validate(row) for row in rows.items]
    return schemas.AlertList(items=items, next_cursor=rows.next_cursor)
