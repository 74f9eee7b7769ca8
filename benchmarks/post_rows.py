"""Posts as an editorial office has them after years: most are out, few failed, some are to come."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.kit.ids import uuid7_at
from service.queue.instants import to_ms

PLATFORMS = ("feed", "mastodon", "bluesky", "webhook", "x", "instagram")
BEFORE, AFTER = timedelta(days=700), timedelta(days=60)
"""How far back posts go, and how far ahead they are planned."""
LIMITS = {"text_units": 500, "unit": "characters", "images": 4, "image_bytes": 8_000_000}
WORDS = [
    "spring",
    "launch",
    "reader",
    "story",
    "photo",
    "garden",
    "market",
    "review",
    "update",
    "recipe",
    "travel",
    "winner",
]


def accounts(owner_id: UUID, sealed: bytes) -> list[dict[str, Any]]:
    """Return rows of accounts, one on each platform, with these credentials."""
    begun = datetime.now(UTC) - BEFORE
    return [
        {
            "id": uuid7_at(to_ms(begun) + number),
            "owner_id": owner_id,
            "platform": platform,
            "handle": f"office-{number}",
            "display_name": f"Office {number}",
            "base_url": "https://social.example",
            "local": False,
            "limits": LIMITS,
            "credentials": sealed,
            "session": sealed,
        }
        for number, platform in enumerate(PLATFORMS)
    ]


def posts(
    count: int, owner_id: UUID, targets: list[dict[str, Any]], seed: int = 7
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield so many posts with their deliveries, in the order of their times."""
    chance = random.Random(seed)
    now = datetime.now(UTC)
    step = (BEFORE + AFTER) / count
    for number in range(count):
        due = now - BEFORE + number * step
        made = min(due, now) - timedelta(days=2)
        post = {
            "id": uuid7_at(to_ms(made)),
            "owner_id": owner_id,
            "text": f"{number} " + " ".join(chance.choices(WORDS, k=12)),
            "link": None,
            "media": [],
            "publish_at": due,
            "zone": "Europe/Paris",
            "content_ref": None,
        }
        chosen = chance.sample(targets, chance.choice((1, 1, 2)))
        yield post, [_delivery(chance, post, target, due, now) for target in chosen]


def _delivery(
    chance: random.Random,
    post: dict[str, Any],
    account: dict[str, Any],
    due: datetime,
    now: datetime,
) -> dict[str, Any]:
    state = "scheduled" if due > now else "failed" if chance.random() < 0.01 else "published"
    return {
        "id": uuid7_at(to_ms(min(due, now) - timedelta(days=2))),
        "owner_id": post["owner_id"],
        "post_id": post["id"],
        "account_id": account["id"],
        "platform": account["platform"],
        "state": state,
        "due_at": due,
        "next_run_at": due,
        "handles": {},
        "error": "The server refused the picture" if state == "failed" else None,
        "remote_url": "https://social.example/1" if state == "published" else None,
        "published_at": due + timedelta(seconds=1) if state == "published" else None,
    }
