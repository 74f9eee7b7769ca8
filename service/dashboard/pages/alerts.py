"""Alerts: what is the matter now and what to do about it, what was, and what is watched."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from service.config import Settings
from service.dashboard.operations import remedies
from service.dashboard.view import JobsReader
from service.kit.pagination import Page
from service.monitoring import alert_routes
from service.monitoring.alert_rules import DATABASE_AWAY, KINDS
from service.monitoring.alerting import wanted
from service.web import Paging, Uow

router = APIRouter(include_in_schema=False)
MOST_OPEN = 100
ALL = (*KINDS, DATABASE_AWAY)
TITLES = {kind.name: kind.title for kind in ALL}


@router.get("/alerts")
async def show(view: JobsReader, page: Paging, uow: Uow) -> Response:
    """Show the alerts that are open, then those that are over."""
    now = await alert_routes.list_alerts(view.caller, uow, Page(MOST_OPEN), is_open=True)
    past = await alert_routes.list_alerts(view.caller, uow, page, is_open=False)
    settings = view.runtime.settings
    return await view.page(
        "alerts.html",
        open=[
            (alert, remedies.remedy(alert.rule), remedies.path(alert.rule, alert.subject))
            for alert in now.items
        ],
        more_open=now.next_cursor is not None,
        past=past.items,
        cursor=past.next_cursor,
        first=page.before is None,
        titles=TITLES,
        watching=settings.alerting,
        quiet=settings.alert_resolve_after,
        rules=_rules(settings),
    )


def _rules(settings: Settings) -> Sequence[dict[str, Any]]:
    """Return every rule as it is here; those that are off last."""
    here = wanted(settings)
    rules = []
    for default in ALL:
        kind = here.get(default.name, default)
        when = remedies.opens_when(kind.name, kind.above)
        rules.append({"kind": kind, "when": when, "on": kind.name in here})
    return sorted(rules, key=lambda rule: not rule["on"])
