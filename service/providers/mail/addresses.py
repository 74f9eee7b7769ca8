"""Mail addresses: whether they can be one, and in which form they are kept and compared."""

from email_validator import EmailNotValidError, validate_email

MAX_ADDRESS = 254
"""Characters, RFC 5321 §4.5.3.1.3 less the brackets."""


def check(address: str) -> str:
    """Return an address as it is written to: its domain in lower case.

    No name is looked up: whether the domain takes mails is its server's to say.

    Raises:
        ValueError: it is no address; the text says why, to be read after the field's name.
    """
    if len(address) > MAX_ADDRESS:
        raise ValueError(f"is longer than {MAX_ADDRESS} characters")
    try:
        found = validate_email(address, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise ValueError(f"is no mail address: {error}") from None
    if len(found.normalized) > MAX_ADDRESS:
        raise ValueError(f"is longer than {MAX_ADDRESS} characters")
    return found.normalized


def key(address: str) -> str:
    """Return what is equal for all spellings of an address.

    Servers may tell `Ada@` from `ada@` (RFC 5321 §2.4), and none does: who asks for no more mails
    is not mailed under another spelling.
    """
    try:
        address = check(address)
    except ValueError:
        address = address.strip()
    return address.casefold()


def ascii_form(address: str) -> str | None:
    """Return an address with its domain as DNS has it; None if its local part is not ASCII."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        return None
    if domain.isascii():
        return address
    return validate_email(address, check_deliverability=False).ascii_email


def domain_of(sender: str) -> str:
    """Return the domain of an address, with or without a name, as DNS has it."""
    domain = sender.rpartition("@")[2].strip("<> ")
    return domain if domain.isascii() else domain.encode("idna").decode()
