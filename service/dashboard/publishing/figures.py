"""How posts and accounts do, as their pages show it: newest figures, changes, charts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts.queries import Account
from service.dashboard.formats import number
from service.dashboard.operations.charts import Line
from service.dashboard.view import View
from service.kit.clock import now
from service.measures import actions
from service.measures.schemas import AccountMeasures, DeliveryMeasures, MeasureOut

ORDER = ("views", "likes", "comments", "shares", "saves", "clicks")
ACCOUNT_ORDER = ("followers", "following", "posts", "views")
CHARTED = {"views": "Views", "likes": "Likes"}
TONES = ("busy", "good", "wait", "soft")
"""As many lines as a chart can tell apart."""
LOOK_BACK = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Chart:
    """Figures over time, one line for each account; see charts.html."""

    name: str
    title: str
    caption: str
    times: Sequence[datetime]
    lines: Sequence[Line]

    @property
    def data(self) -> str:
        """What the script draws, as JSON; accounts are not measured at the same instants."""
        return json.dumps(
            {
                "unit": "count",
                "joined": True,
                "times": [at.timestamp() for at in self.times],
                "lines": [[line.label, line.tone, line.values] for line in self.lines],
            },
            separators=(",", ":"),
        )

    @property
    def rows(self) -> list[tuple[datetime, list[str]]]:
        """The same as a table, the newest first."""
        return [
            (at, [number(line.values[n]) for line in self.lines])
            for n, at in reversed(list(enumerate(self.times)))
        ]


@dataclass(frozen=True, slots=True)
class Row:
    """The newest figures of one account, and in words what there is to say of them."""

    title: str
    newest: MeasureOut | None
    change: Mapping[str, int]
    words: str
    next_at: datetime | None
    """What the words lead up to."""


@dataclass(frozen=True, slots=True)
class Reception:
    """How a post does."""

    columns: Sequence[str]
    rows: Sequence[Row]
    charts: Sequence[Chart]


@dataclass(frozen=True, slots=True)
class Audience:
    """How an account does."""

    columns: Sequence[str]
    row: Row
    charts: Sequence[Chart]


async def of_post(
    session: AsyncSession, view: View, post_id: UUID, accounts: Mapping[UUID, Account]
) -> Reception | None:
    """Return how a post does; None where no platform could tell."""
    measured = await actions.of_post(session, view.caller, post_id)
    found = [each for each in measured.deliveries if _tells(view, accounts.get(each.account_id))]
    if not found:
        return None
    titles = {each.delivery_id: _title(view, each, accounts[each.account_id]) for each in found}
    series = {titles[each.delivery_id]: each.items for each in found}
    return Reception(
        _columns([each.newest for each in found], ORDER),
        [_row(titles[each.delivery_id], each, gone=each.gone) for each in found],
        [
            chart
            for name, title in CHARTED.items()
            if (chart := _chart(name, title, series)) is not None
        ],
    )


async def of_account(session: AsyncSession, view: View, account: Account) -> Audience | None:
    """Return how an account does; None where its platform does not tell."""
    if not _tells(view, account):
        return None
    moment = now()
    begin = moment - LOOK_BACK
    found = await actions.of_account(session, view.caller, account.id, begin, moment)
    chart = _chart("followers", "Followers", {"Followers": found.items})
    return Audience(
        _columns([found.newest], ACCOUNT_ORDER),
        _row(account.handle, found),
        [chart] if chart else [],
    )


def _tells(view: View, account: Account | None) -> bool:
    platform = view.runtime.platforms.get(account.platform) if account else None
    return account is not None and not account.local and platform is not None and platform.measures


def _title(view: View, delivery: DeliveryMeasures, account: Account) -> str:
    title = f"{view.runtime.platforms[delivery.platform].title} {account.handle}"
    return f"{title}, {delivery.kind} {delivery.position}" if delivery.position else title


def _columns(newest: Sequence[MeasureOut | None], order: Sequence[str]) -> list[str]:
    told = {name for measure in newest if measure for name in measure.figures}
    return [*(name for name in order if name in told), *sorted(told.difference(order))]


def _row(title: str, found: DeliveryMeasures | AccountMeasures, *, gone: bool = False) -> Row:
    words, leads_on = _words(found, gone=gone)
    return Row(title, found.newest, found.change_24h, words, found.next_at if leads_on else None)


def _words(found: DeliveryMeasures | AccountMeasures, *, gone: bool) -> tuple[str, bool]:
    """Return what there is to say, and whether that leads up to the next time."""
    if gone:
        return "the platform does not have it any more, these are its last figures", False
    if found.error:
        again = found.next_at is not None
        return found.error.rstrip(".") + (". It is asked again" if again else ""), again
    if found.newest is not None:
        return "", False
    if found.asked_at is not None:
        return "the platform tells no figures of it", False
    if found.next_at is not None and found.next_at > now():
        return "the first figures come", True
    return "the first figures come within minutes", False


def _chart(name: str, title: str, series: Mapping[str, Sequence[MeasureOut]]) -> Chart | None:
    """Return a chart of the lines with the most, hour by hour; None without two points."""
    hours = {
        label: {
            measure.at.replace(minute=0, second=0, microsecond=0): measure.figures[name]
            for measure in measures
            if name in measure.figures
        }
        for label, measures in series.items()
    }
    known = {label: points for label, points in hours.items() if len(points) > 1}
    if not known:
        return None
    most = sorted(known, key=lambda label: -known[label][max(known[label])])[: len(TONES)]
    times = sorted({at for label in most for at in known[label]})
    lines = [
        Line(label, TONES[n], [known[label].get(at) for at in times])
        for n, label in enumerate(most)
    ]
    spans = [f"{label} {_span(known[label])}" for label in most]
    caption = "; ".join(spans) + "."
    if most == [title]:
        caption = f"{_span(known[title]).capitalize()}."
    if len(known) > len(most):
        caption = f"The {len(most)} accounts with the most of {len(known)}. {caption}"
    return Chart(name, title, caption, times, lines)


def _span(points: Mapping[datetime, int]) -> str:
    return f"from {number(points[min(points)])} to {number(points[max(points)])}"
