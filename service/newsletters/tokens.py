"""What stands in the links of mails: nobody can guess one, and none tells an address."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from service.kit.crypto import Keyring

Purpose = Literal["confirm", "unsubscribe", "open", "click"]
_ID, _SIGNATURE = 16, 32


def token(keyring: Keyring, purpose: Purpose, row_id: UUID, number: int = 0) -> str:
    """Return a link's token: an id, a number and their signature (HMAC-SHA256).

    Args:
        keyring: signs it.
        purpose: what it may be used for; it serves nothing else.
        row_id: of the delivery, or of the subscription that is to be confirmed.
        number: the round of a confirmation.
    """
    body = row_id.bytes + number.to_bytes(2)
    signature = keyring.signature(body, context=_context(purpose))
    return urlsafe_b64encode(body + signature).decode().rstrip("=")


def named(keyring: Keyring, purpose: Purpose, text: str) -> tuple[UUID, int] | None:
    """Return the id and the number of a token; None: it is none, or of another purpose."""
    try:
        found = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    body, signature = found[: _ID + 2], found[_ID + 2 :]
    if len(signature) != _SIGNATURE:
        return None
    if not keyring.is_signature(signature, body, context=_context(purpose)):
        return None
    return UUID(bytes=body[:_ID]), int.from_bytes(body[_ID:])


def _context(purpose: Purpose) -> str:
    return f"newsletter {purpose}"


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the links of mails.

    Attributes:
        keyring: signs them.
        base_url: begins them.
    """

    keyring: Keyring
    base_url: str

    def confirm(self, subscription_id: UUID, round_: int) -> str:
        """Return where a person confirms a subscription."""
        return f"{self.base_url}/n/confirm/{self._token('confirm', subscription_id, round_)}"

    def of_delivery(self, delivery_id: UUID) -> dict[str, str]:
        """Return the links of one reader's mail, by their placeholders."""
        base = f"{self.base_url}/n"
        return {
            "unsubscribe_url": f"{base}/unsubscribe/{self._token('unsubscribe', delivery_id)}",
            "click_url": f"{base}/c/{self._token('click', delivery_id)}",
            "open_url": f"{base}/o/{self._token('open', delivery_id)}.gif",
        }

    def _token(self, purpose: Purpose, row_id: UUID, number: int = 0) -> str:
        return token(self.keyring, purpose, row_id, number)
