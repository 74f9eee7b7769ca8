"""The secrets of endpoints: made here, stored encrypted, shown once."""

from uuid import UUID

from service.kit.clock import now
from service.kit.crypto import Keyring
from service.webhooks.models import WebhookEndpoint


def seal(keyring: Keyring, endpoint_id: UUID, secret: str) -> bytes:
    """Encrypt a secret, bound to its endpoint."""
    return keyring.encrypt(secret.encode(), context=_place(endpoint_id))


def reseal(keyring: Keyring, endpoint: WebhookEndpoint) -> None:
    """Encrypt an endpoint's secrets with the present key; raise CannotDecrypt without theirs."""
    place = _place(endpoint.id)
    endpoint.secret = keyring.renewed(endpoint.secret, context=place)
    if endpoint.old_secret is not None:
        endpoint.old_secret = keyring.renewed(endpoint.old_secret, context=place)


def signing(keyring: Keyring, endpoint: WebhookEndpoint) -> list[str]:
    """Return the secrets that sign now: for a while after a rotation there are two.

    Raises:
        CannotDecrypt: the settings lack the key.
    """
    tokens = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_secret_until and endpoint.old_secret_until > now():
        tokens.append(endpoint.old_secret)
    place = _place(endpoint.id)
    return [keyring.decrypt(token, context=place).decode() for token in tokens]


def _place(endpoint_id: UUID) -> str:
    return f"webhook_endpoints/{endpoint_id}/secret"
