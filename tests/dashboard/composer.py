"""The composer as a browser sends it: every field of its form, and the button that is pressed."""

from typing import Any

from bs4 import BeautifulSoup, Tag

from tests.dashboard.person import Page, Person
from tests.support import PNG, Installation


def filled(page: Page) -> dict[str, list[str]]:
    """Return what the form holds, of each name all that a browser would send."""
    form = page.soup.select_one("form#composer")
    assert form is not None
    found: dict[str, list[str]] = {}
    for field in form.select("input[name], textarea[name], select[name]"):
        if (value := _value(field)) is not None:
            found.setdefault(str(field["name"]), []).append(value)
    return found


def _value(field: Tag) -> str | None:
    if field.name == "textarea":
        return field.get_text()
    if field.name == "select":
        chosen = field.select_one("option[selected]") or field.select_one("option")
        return str(chosen["value"]) if chosen else ""
    kind = field.get("type")
    if kind == "file" or (kind in {"checkbox", "radio"} and not field.has_attr("checked")):
        return None
    return str(field.get("value", ""))


async def press(person: Person, page: Page, status: int = 200, /, **fields: Any) -> Page:
    """Send the form with what it holds, but for these fields; one of them is the button."""
    form = page.soup.select_one("form#composer")
    assert form is not None
    sent = {**filled(page), **fields}
    reply = await person.post(str(form["action"]), **{k: v for k, v in sent.items() if v != []})
    assert reply.status_code == status, reply.text[-3000:]
    return Page(reply, BeautifulSoup(reply.text, "html.parser"))


async def sandbox(api: Installation, platform: str) -> str:
    """Connect an account that only looks like one of a platform; return its id."""
    body = {
        "platform": platform,
        "sandbox": True,
        "credentials": {"handle": platform.replace("_", "-")},
    }
    reply = await api.post("/v1/accounts", body)
    assert reply.status_code == 201, reply.text
    account_id: str = reply.json()["id"]
    return account_id


async def image(api: Installation, more: bytes = b"") -> str:
    """Upload an image; what follows it makes it another one."""
    files = {"file": ("dot.png", PNG + more, "image/png")}
    reply = await api.request("POST", "/v1/media", files=files)
    assert reply.status_code == 201, reply.text
    media_id: str = reply.json()["id"]
    return media_id


async def video(api: Installation) -> str:
    """Return a file of which the rows say that it is a video of six seconds."""
    media_id = await image(api, b"moving")
    await api.sql(
        "UPDATE media SET content_type = 'video/mp4', filename = 'market.mp4', width = 720,"
        " height = 1280, seconds = 6, frame_rate = 30, video_codec = 'h264' WHERE id = :id",
        id=media_id,
    )
    return media_id


def wrong(page: Page) -> dict[str, str]:
    """Return what the page says to be wrong, by the id of the field's text."""
    found = page.main.select("p.problem[id]")
    return {str(p["id"]).removesuffix("-hint"): p.get_text() for p in found}
