"""The mail that asks a person whether they want a newsletter."""

from html import escape

from service.emails.actions import NewMail
from service.newsletters.models import Newsletter, Subscriber, Subscription
from service.newsletters.tokens import Links


def confirm_mail(
    row: Subscription,
    person: Subscriber,
    newsletter: Newsletter,
    links: Links,
) -> NewMail:
    """Return the mail with the confirm link of a subscription's present round."""
    url = links.confirm(row.id, row.round)
    why = (
        "If you did not ask for it, do nothing: without your confirmation you will get no "
        "other mail."
    )
    asked = f"Somebody, hopefully you, asked for {newsletter.name} to be sent to this address."
    html = (
        f"<p>{escape(asked)}</p>"
        f'<p><a href="{escape(url)}">Confirm the subscription</a></p><p>{why}</p>'
    )
    asked_at = row.asked_at.timestamp() if row.asked_at else 0
    return NewMail(
        kind="newsletters.confirm",
        key=f"newsletters.confirm:{row.id}:{row.round}:{asked_at:.0f}",
        to=person.address,
        subject=f"Confirm your subscription to {newsletter.name}",
        html=html,
        text=f"{asked}\n\nConfirm the subscription:\n{url}\n\n{why}\n",
        name=person.name,
        headers={"Auto-Submitted": "auto-generated"},
        owner_id=newsletter.owner_id,
    )
