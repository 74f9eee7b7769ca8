"""The cookie of a session, and what keeps other sites from using it."""

from fastapi import Request, Response

from service.access import rules
from service.errors import Forbidden

COOKIE = "almanac_session"
CSRF_HEADER = "X-CSRF-Token"
FOREIGN = "Requests with a session come from our own pages only"


def refuse_forged(request: Request, base_url: str, cookie: str) -> None:
    """Raise Forbidden when another site may have made the browser send this request."""
    if request.method in rules.SAFE_METHODS:
        return
    refuse_foreign(request, base_url)
    if not rules.is_csrf_token(cookie, request.headers.get(CSRF_HEADER)):
        raise Forbidden(f"This needs the header {CSRF_HEADER} of your session: GET /v1/session")


def refuse_foreign(request: Request, base_url: str) -> None:
    """Raise Forbidden when the browser says that the request comes from another site's page."""
    if not rules.is_same_origin(request.headers, base_url):
        raise Forbidden(FOREIGN)


def set_cookie(response: Response, cookie: str, *, seconds: int, secure: bool) -> None:
    """Give the browser a session's cookie, which no script and no other site can use."""
    response.set_cookie(
        COOKIE, cookie, max_age=seconds, secure=secure, httponly=True, samesite="lax"
    )


def drop_cookie(response: Response, *, secure: bool) -> None:
    """Take the session's cookie back."""
    response.delete_cookie(COOKIE, secure=secure, httponly=True, samesite="lax")
