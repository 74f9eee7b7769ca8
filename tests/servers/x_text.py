"""How X counts and shows a text, written from twitter-text's configuration 3."""

import html
import unicodedata
from typing import Any

import regex

URL = regex.compile(r"https?://[^\s]+\.[^\s]+", regex.IGNORECASE)
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{RI}\p{RI}|\u20e3")
_SINGLE = [(0, 4351), (8192, 8205), (8208, 8223), (8242, 8247)]


def weight(text: str) -> int:
    """Count a text: a URL 23, most Western characters 1, all others and emoji 2."""
    text = unicodedata.normalize("NFC", text)
    total = 23 * len(URL.findall(text))
    for cluster in regex.findall(r"\X", URL.sub("", text)):
        if _EMOJI.search(cluster) and cluster not in "©®":
            total += 2
        else:
            total += sum(1 if any(a <= ord(c) <= b for a, b in _SINGLE) else 2 for c in cluster)
    return total


def shown(text: str, media_keys: list[str], serial: str) -> tuple[str, list[dict[str, Any]]]:
    """Return a text as the API shows it, and its URL entities: links and media become t.co."""
    entities: list[dict[str, Any]] = []

    def short(target: str, **more: Any) -> str:
        url = f"https://t.co/{serial}{len(entities)}"
        entities.append({"url": url, "expanded_url": target, "display_url": target[8:34], **more})
        return url

    text = URL.sub(lambda match: short(match.group().replace("ä", "%C3%A4")), text)
    if media_keys:
        target = f"https://x.com/alice/status/{serial}/photo/1"
        text = f"{text} {short(target, media_key=media_keys[0])}".strip()
    return html.escape(text, quote=False), entities
