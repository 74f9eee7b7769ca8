"""What LinkedIn checks of a request: Rest.li's form, the body of a post, the `little` format."""

from typing import Any

from tests.servers.platform import Refusal

RESERVED = set(r"\|{}@[]()<>#*_~")
POST_FIELDS = {
    "author",
    "commentary",
    "visibility",
    "distribution",
    "content",
    "lifecycleState",
    "isReshareDisabledByAuthor",
}


def refusal(status: int, code: str, message: str, **more: Any) -> Refusal:
    """Return an error in LinkedIn's form."""
    return Refusal(status, error(status, code, message, **more))


def error(status: int, code: str, message: str = "refused", **more: Any) -> dict[str, Any]:
    """Return the body of such an error, for faults."""
    return {"status": status, "code": code, "message": message, **more}


def duplicate(urn: str) -> Refusal:
    """Return what a text that is there already is answered with."""
    details = {
        "inputErrors": [{"description": "Duplicate post is detected", "code": "DUPLICATE_POST"}]
    }
    text = f"Content is a duplicate of {urn}"
    return Refusal(422, {"status": 422, "message": text, "errorDetails": details})


def shown(commentary: str) -> str:
    """Return what people see: the text up to the first reserved character that is not escaped."""
    seen, at = "", 0
    while at < len(commentary):
        character = commentary[at]
        if character == "\\" and commentary[at + 1 : at + 2] in RESERVED:
            seen, at = seen + commentary[at + 1], at + 2
        elif commentary.startswith(r"{hashtag|\#|", at) and (end := _end(commentary, at + 12)):
            seen, at = f"{seen}#{shown(commentary[at + 12 : end])}", end + 1
        elif character in RESERVED:
            return seen
        else:
            seen, at = seen + character, at + 1
    return seen


def _end(commentary: str, at: int) -> int | None:
    """Return where a template closes."""
    while at < len(commentary):
        if commentary[at] == "\\":
            at += 1
        elif commentary[at] == "}":
            return at
        at += 1
    return None


def check_post(body: dict[str, Any], authors: set[str], media: dict[str, Any]) -> list[str]:
    """Check the body of a post and return the URNs of its media."""
    if unknown := set(body) - POST_FIELDS:
        raise refusal(
            400, "UNPERMITTED_FIELDS", f"ERROR :: /{sorted(unknown)[0]} :: unrecognized field"
        )
    for field in POST_FIELDS - {"content", "isReshareDisabledByAuthor"}:
        if field not in body:
            raise refusal(422, "MISSING_FIELD", f"ERROR :: /{field} :: field is required")
    if body["author"] not in authors:
        raise refusal(403, "ACCESS_DENIED", "Not enough permissions to access: posts.CREATE")
    if body["visibility"] not in {"PUBLIC", "CONNECTIONS", "LOGGED_IN"}:
        raise refusal(422, "INVALID_ENUM", "ERROR :: /visibility :: invalid")
    if body["lifecycleState"] != "PUBLISHED" or not body["distribution"]["feedDistribution"]:
        raise refusal(422, "INVALID", "ERROR :: /lifecycleState :: invalid")
    if len(shown(body["commentary"])) > 3_000:
        raise refusal(422, "FIELD_LENGTH_TOO_LONG", "ERROR :: /commentary :: length exceeds 3000")
    urns = _media(body.get("content"))
    _check_media(urns, body["author"], media)
    return urns


def _check_media(urns: list[str], author: str, media: dict[str, Any]) -> None:
    for urn in urns:
        found = media.get(urn)
        if found is None or found["owner"] != author:
            raise refusal(400, "INVALID_MEDIA", f"{urn} is not the author's")
        if found["status"] != "AVAILABLE":
            raise refusal(400, "MEDIA_ASSET_PROCESSING", f"{urn} is {found['status']}")


def _media(content: dict[str, Any] | None) -> list[str]:
    if content is None:
        return []
    match content:
        case {"media": {"id": urn, **rest}} if set(rest) <= {"altText", "title"}:
            return [urn]
        case {"multiImage": {"images": [*images]}} if 2 <= len(images) <= 20:
            return [str(image["id"]) for image in images]
    raise refusal(422, "INVALID_CONTENT", "ERROR :: /content :: invalid union")
