"""A short text to a few people who run the installation."""

import logging
from collections.abc import Sequence

from service.providers.mail.contract import Accepted, Mail, Provider, Recipient, Refused
from service.providers.mail.failures import MailDelayed, MailRefused, without_addresses

log = logging.getLogger(__name__)


async def tell(provider: Provider, mail: Mail, addresses: Sequence[str], key: str) -> None:
    """Send a mail to each; one who gets it is enough.

    Told twice is better than not at all: what may have arrived is no success.

    Args:
        provider: whose connection is opened for it.
        mail: without placeholders.
        addresses: of the people.
        key: names the mail among all, so that a repeat is known by its Message-ID.

    Raises:
        MailRefused: no recipient can ever have it.
        MailDelayed: nobody has it for certain; try again later.
    """
    reasons, permanent, arrived = [], True, False
    async with provider.connect() as sender:
        for number, address in enumerate(addresses, 1):
            recipient = Recipient(f"{key}-{number}", address)
            outcome = (await sender.send(mail, [recipient]))[recipient.id]
            if isinstance(outcome, Accepted):
                arrived = True
                continue
            reason = getattr(outcome, "reason", "")
            reasons.append(without_addresses(reason))
            permanent = permanent and isinstance(outcome, Refused)
            if isinstance(outcome, Refused):
                log.warning("a recipient was refused: %d", outcome.code)
                log.debug("mail to %s refused: %s", address, reason)  # an address
    if not arrived:
        raise (MailRefused if permanent else MailDelayed)("; ".join(reasons))
