"""Links by which a member leaves the digests: signed, so that nothing is stored of them."""

from uuid import UUID

from service.kit.crypto import Keyring
from service.kit.pagination import pack, unpack

CONTEXT = "leave digests"
ID_BYTES = 16


def token(keyring: Keyring, member_id: UUID) -> str:
    """Return what is in a member's link."""
    return pack(member_id.bytes + keyring.signature(member_id.bytes, context=CONTEXT))


def member_of(keyring: Keyring, written: str) -> UUID | None:
    """Return whose link it is; None if nobody here has made it."""
    try:
        content = unpack(written)
    except ValueError:
        return None
    member, signature = content[:ID_BYTES], content[ID_BYTES:]
    if not keyring.is_signature(signature, member, context=CONTEXT):
        return None
    return UUID(bytes=member)
