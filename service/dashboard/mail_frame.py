"""A mail as its reader sees it, in a frame that may do nothing."""

from fastapi.responses import HTMLResponse

from service.dashboard.rendering import HEADERS

CSP = "; ".join(
    (
        "sandbox",
        "default-src 'none'",
        "img-src https: data:",
        "style-src 'unsafe-inline'",
        "frame-ancestors 'self'",
    )
)
"""Mails have their styles in themselves; scripts, forms and our cookies are out of their reach."""
NOTHING = "<!doctype html><title>Empty</title><p>This mail has no HTML part."


def framed(html: str) -> HTMLResponse:
    """Return a mail for `<iframe sandbox>`; whatever it holds, it runs nothing."""
    headers = {**HEADERS, "Content-Security-Policy": CSP, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(html or NOTHING, headers=headers)
