"""docs/platforms.md says what `GET /v1/platforms` says."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import Installation

PAGE = Path(__file__).parents[1] / "docs" / "platforms.md"
Item = dict[str, Any]
TIMES, NOTHING = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"


@pytest.mark.asyncio
async def test_the_page_has_every_figure(api: Installation) -> None:
    """G030, T008: limits, abilities and retries of each platform, one line each, in order."""
    items = (await api.get("/v1/platforms")).json()["items"]
    lines = PAGE.read_text().splitlines()
    for row in (texts, media, abilities):
        expected = [row(item) for item in items]
        assert [line for line in lines if line in expected] == expected


@pytest.mark.asyncio
async def test_the_page_names_every_option(api: Installation) -> None:
    """G030: in the platform's own section, with all that can be chosen."""
    items = (await api.get("/v1/platforms")).json()["items"]
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE.read_text(), re.MULTILINE))
    missing = [
        (item["title"], name, word)
        for item in items
        for name, option in item["options"].items()
        for word in (name, *option["choices"])
        if f"`{word}`" not in sections[item["title"]]
    ]
    assert missing == []


def texts(item: Item) -> str:
    """Return the line of what a text may be."""
    limits = item["limits"]
    length = f"{limits['text_units']:,} {limits['unit']}"
    if limits["text_bytes"]:
        length += f" and {limits['text_bytes']:,} bytes"
    comment = limits["comment_units"] if item["replies"] != "none" else None
    return _line(
        item["title"],
        length,
        _figure(limits["url_units"]),
        _figure(comment),
        _figure(limits["hashtags"]),
        _figure(limits["mentions"]),
        _figure(limits["posts_per_day"]),
    )


def media(item: Item) -> str:
    """Return the line of what images and videos may be."""
    limits = item["limits"]
    types = ", ".join(kind.removeprefix("image/").upper() for kind in limits["image_types"])
    images = f"{limits['images']} {TIMES} {_bytes(limits['image_bytes'])}, {types}"
    video = limits["video"]
    videos = NOTHING
    if video:
        shortest, longest = (_seconds(seconds) for seconds in video["seconds"])
        videos = f"{limits['videos']} {TIMES} {_bytes(video['bytes'])}, {shortest} to {longest}"
    together = "yes" if limits["mixed_media"] else "no"
    return _line(
        item["title"],
        images,
        _ratio(limits["image_ratio"]),
        videos,
        together,
        _figure(limits["alt_text"]),
    )


def abilities(item: Item) -> str:
    """Return the line of what can be done there beside posting."""
    retries = f"{item['retries']} after {item['retry_base_seconds']:g} s"
    return _line(
        item["title"],
        item["replies"],
        _whether(item["deletes"]),
        _whether(item["measures"]),
        _whether(item["fetches_media"]),
        retries,
    )


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _figure(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def _whether(value: bool) -> str:
    return "yes" if value else "no"


def _bytes(count: int) -> str:
    size, unit = (count / 1e9, "GB") if count >= 1e9 else (count / 1e6, "MB")
    return f"{size:.4g} {unit}"


def _seconds(seconds: float) -> str:
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _ratio(ratio: list[float] | None) -> str:
    return NOTHING if ratio is None else f"{ratio[0]:g} to {ratio[1]:g}"
