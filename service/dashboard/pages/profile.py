"""Somebody's own page: password, logins, time zone."""

from fastapi import APIRouter, Response

from service.dashboard.view import Anybody

router = APIRouter(include_in_schema=False)


@router.get("/profile")
async def show(view: Anybody) -> Response:
    """Show who is logged in."""
    return await view.page("profile.html")
