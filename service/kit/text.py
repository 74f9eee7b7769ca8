"""Text from anywhere, made fit to be stored."""


def storable(text: str) -> str:
    """Return a text as PostgreSQL takes it: half characters and U+0000 are spelled out."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
