"""The first page: how everything is."""

from fastapi import APIRouter, Response

from service.dashboard.view import Anybody

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show(view: Anybody) -> Response:
    """Show how everything is."""
    return await view.page("overview.html")
