"""What a person chooses of how pages look: theme and time zone, kept by their browser."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from service.dashboard import rendering
from service.dashboard.formats import zone_of
from service.dashboard.view import Anybody

router = APIRouter(include_in_schema=False)
YEAR = 365 * 86400


@router.post("/preferences")
async def choose(view: Anybody) -> Response:
    """Keep the theme or the zone that was chosen."""
    response = RedirectResponse(view.back("/"), 303)
    theme, zone = view.form.get("theme"), view.form.get("zone")
    if theme in rendering.THEMES:
        _keep(response, rendering.THEME, str(theme), secure=view.secure)
    if zone is not None:
        if (found := zone_of(str(zone))).key != zone:
            text = f"'{str(zone)[:80]}' is not an IANA time zone such as Europe/Paris"
            return view.go(view.back("/"), text, done=False)
        _keep(response, rendering.ZONE, found.key, secure=view.secure)
    return response


def _keep(response: Response, name: str, value: str, *, secure: bool) -> None:
    response.set_cookie(name, value, max_age=YEAR, secure=secure, samesite="lax")
