"""Parts of the composer's form that come several times: files at a place, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData

from service.dashboard.publishing.fields import ids, in_order, words
from service.errors import InvalidInput, Problem

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
UNIT_NAMES = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
LONGEST = 7 * UNITS["d"]
"""Seconds that something may wait after what it answers."""
MOST_PARTS = 100
KINDS = ("thread", "comment")


@dataclass(slots=True)
class Files:
    """Images and videos at one place: of the post, of one account, of what follows."""

    ids: list[UUID] = field(default_factory=list)
    alts: dict[UUID, str] = field(default_factory=dict)

    @classmethod
    def read(cls, form: FormData, prefix: str = "") -> "Files":
        """Return what a form has at a place, with what was picked and without what was dropped.

        Args:
            form: as it was sent.
            prefix: of the names of the place's fields.
        """
        chosen = dict.fromkeys([*ids(form, f"{prefix}media"), *ids(form, f"{prefix}pick")])
        dropped = form.getlist("drop")
        kept = [found for found in chosen if f"{prefix}{found}" not in dropped]
        alts = {found: words(form, f"{prefix}alt-{found}") for found in kept}
        return cls(kept, alts)

    @classmethod
    def of(cls, entries: list[Any]) -> "Files":
        """Return what a post keeps."""
        found = {UUID(str(entry["id"])): str(entry.get("alt") or "") for entry in entries}
        return cls(list(found), found)

    def copy(self) -> "Files":
        """Return the same at another place."""
        return Files(list(self.ids), dict(self.alts))

    def references(self) -> list[dict[str, Any]]:
        """Return them as a request names them."""
        return [{"id": str(found), "alt": self.alts.get(found, "")} for found in self.ids]


@dataclass(slots=True)
class Block:
    """The next post of a thread, or a comment."""

    kind: str = "thread"
    text: str = ""
    files: Files = field(default_factory=Files)
    delay: str = ""
    """As it was typed, in `unit`."""
    unit: str = "min"

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> "Block":
        """Return what a post keeps of something that follows it."""
        seconds = int(part["delay"])
        unit = next((u for u in reversed(UNITS) if seconds % UNITS[u] == 0), "s")
        delay = str(seconds // UNITS[unit]) if seconds else ""
        files = Files.of(part["media"])
        return cls(part["kind"], part["text"], files, delay, unit if seconds else "min")

    @property
    def seconds(self) -> int | None:
        """How long it waits; None: that is no number of units, or too many."""
        typed = self.delay.strip() or "0"
        if not typed.isdecimal() or not typed.isascii() or len(typed) > 7:
            return None
        seconds = int(typed) * UNITS[self.unit]
        return seconds if seconds <= LONGEST else None

    def request(self) -> dict[str, Any]:
        """Return it as a request names it."""
        return {
            "kind": self.kind,
            "text": self.text,
            "media": self.files.references(),
            "delay": self.seconds or 0,
        }


def read(form: FormData) -> list[Block]:
    """Return what a form has of what follows, in order."""
    return [_block(form, f"part-{number}-") for number in in_order(form, "part", MOST_PARTS)]


def _block(form: FormData, prefix: str) -> Block:
    kind, unit = words(form, f"{prefix}kind"), words(form, f"{prefix}unit")
    return Block(
        kind if kind in KINDS else "thread",
        words(form, f"{prefix}text"),
        Files.read(form, prefix),
        words(form, f"{prefix}delay").strip(),
        unit if unit in UNITS else "min",
    )


def arranged(blocks: list[Block], form: FormData) -> list[Block]:
    """Return the blocks as a pressed button wants them: with one more, one less, one earlier."""
    removed, raised = words(form, "remove"), words(form, "raise")
    if removed.isdecimal():
        blocks = [block for number, block in enumerate(blocks) if str(number) != removed]
    if raised.isdecimal() and 0 < int(raised[:3]) < len(blocks):
        number = int(raised[:3])
        blocks = [*blocks]
        blocks[number - 1], blocks[number] = blocks[number], blocks[number - 1]
    kind = words(form, "add")
    if kind in KINDS and len(blocks) < MOST_PARTS:
        blocks = [*blocks, Block(kind)]
    return blocks


def requests(blocks: list[Block]) -> list[dict[str, Any]]:
    """Return them as a request names them.

    Raises:
        InvalidInput: one is to wait for no time that can be.
    """
    problems = [
        Problem(f"thread[{number}].delay", "Wait a whole number, at most 7 days", "delay")
        for number, block in enumerate(blocks)
        if block.seconds is None
    ]
    if problems:
        raise InvalidInput(problems)
    return [block.request() for block in blocks]
