"""Opens and resolves alerts, each in one transaction with what tells people of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from service.config import Settings
from service.db.session import UnitOfWork
from service.errors import ConfigurationError
from service.kit.clock import now
from service.kit.ids import uuid7
from service.monitoring import alert_queries as queries
from service.monitoring import measure_queries
from service.monitoring.alert_conditions import Conditions, Look, Window
from service.monitoring.alert_queries import Alert
from service.monitoring.alert_rules import DATABASE_AWAY, KINDS, Finding, Kind, Seen
from service.monitoring.measures import Measures
from service.monitoring.measuring import measure
from service.notifications import actions as notifications
from service.notifications.actions import Incident
from service.runtime import Runtime
from service.webhooks import actions as webhooks
from service.webhooks.actions import Event

RECORDED = timedelta(seconds=30)
"""For how long a run may be on its way into the history."""


def wanted(settings: Settings) -> dict[str, Kind]:
    """Return the alerts that this installation wants, with its thresholds, by name.

    Raises:
        ConfigurationError: the settings name an alert that does not exist.
    """
    kinds = {kind.name: kind for kind in (*KINDS, DATABASE_AWAY)}
    if unknown := sorted(settings.alerts.keys() - kinds.keys()):
        raise ConfigurationError(
            f"ALMANAC_ALERTS: there is no alert '{unknown[0]}'; known: {', '.join(sorted(kinds))}"
        )
    for name, change in settings.alerts.items():
        if change is None:
            del kinds[name]
            continue
        kind = kinds[name]
        above = kind.above if change.above is None else change.above
        seconds = kind.seconds if change.seconds is None else change.seconds
        kinds[name] = replace(kind, above=above, seconds=seconds)
    return kinds


class Watch:
    """Looks at an installation again and again.

    Args:
        runtime: of the installation.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kinds = wanted(runtime.settings)
        rows = [kind for kind in self._kinds.values() if kind.name != DATABASE_AWAY.name]
        self._conditions = Conditions(rows)
        self._window = Window()
        self._redis_answered = time.monotonic()
        self._looked_at = now()

    async def look(self) -> None:
        """Look once; open, keep and resolve alerts accordingly.

        Raises SQLAlchemy's errors: without PostgreSQL there is nothing to write to.
        """
        measures = await measure(self._runtime)
        moment = time.monotonic()
        if measures.redis is not None:
            self._redis_answered = moment
            self._window.add(moment, measures.redis.queues)
        seen = Seen(
            measures,
            increases=self._window.increases(),
            slow=await self._slow(measures),
            redis_away=moment - self._redis_answered,
        )
        look = self._conditions.look(seen, moment)
        async with self._runtime.unit_of_work() as uow:
            await self._write(uow, look, measures.at)
        self._looked_at = measures.at

    async def _slow(self, measures: Measures) -> Mapping[str, float]:
        """Return the longest run of each job that took too long since the last look, or does."""
        kind = self._kinds.get("slow_job")
        if kind is None:
            return {}
        longest: dict[str, float] = {}
        for worker in measures.redis.workers if measures.redis is not None else ():
            for job in worker.running if worker.state != "offline" else ():
                seconds = (measures.at - job.started_at).total_seconds()
                longest[job.name] = max(seconds, longest.get(job.name, 0))
        since, above = self._looked_at - RECORDED, timedelta(seconds=kind.above)
        async with self._runtime.database.session() as session:
            for name, seconds in await measure_queries.slow_runs(session, since, above):
                longest[name] = max(seconds, longest.get(name, 0))
        return longest

    async def _write(self, uow: UnitOfWork, look: Look, at: datetime) -> None:
        alerts = {(a.rule, a.subject): a for a in await queries.open_alerts(uow.session)}
        for key, finding in look.due.items():
            alert = alerts.get(key)
            if alert is None:
                await self._open(uow, key[0], finding, at)
            else:
                alert.text, alert.value, alert.last_seen_at = finding.text, finding.value, at
        await self._resolve(uow, [a for key, a in alerts.items() if key not in look.due], look, at)

    async def _open(self, uow: UnitOfWork, rule: str, finding: Finding, at: datetime) -> None:
        values = {
            "id": uuid7(),
            "rule": rule,
            "subject": finding.subject,
            "text": finding.text,
            "value": finding.value,
            "opened_at": at,
            "last_seen_at": at,
        }
        alert = await queries.add(uow.session, values)
        if alert is not None:
            await self._tell(uow, alert, resolved=False)

    async def _resolve(
        self, uow: UnitOfWork, gone: Sequence[Alert], look: Look, at: datetime
    ) -> None:
        """Resolve what has been gone for long enough, and what nobody wants any more."""
        for alert in gone:
            unwanted = alert.rule not in self._kinds
            quiet = at - alert.last_seen_at >= self._runtime.settings.alert_resolve_after
            if unwanted or (alert.rule in look.known and quiet):
                alert.resolved_at = at
                await uow.session.flush()
                await self._tell(uow, alert, resolved=True)

    async def _tell(self, uow: UnitOfWork, alert: Alert, *, resolved: bool) -> None:
        """Tell of an alert's begin or end: in app, by mail, by webhooks."""
        await webhooks.announce(uow, _event(alert, resolved=resolved))
        key = f"alert:{alert.id}"
        if resolved:
            await notifications.close(uow.session, key)
        kind = self._kinds.get(alert.rule)
        subject = f": {alert.subject}" if alert.subject else ""
        title = f"{'Resolved: ' * resolved}{kind.title if kind else alert.rule}{subject}"
        incident = Incident(
            kind=f"alert.{'resolved' if resolved else 'opened'}",
            key=f"{key}:resolved" if resolved else key,
            title=title,
            text=_ended(alert) if resolved else alert.text,
        )
        mail = self._runtime.settings.mails_at_once
        await notifications.report(uow, incident, mail=mail)


def _ended(alert: Alert) -> str:
    return (
        f"This is over since {alert.last_seen_at:%Y-%m-%d %H:%M:%S} UTC; it began at "
        f"{alert.opened_at:%H:%M:%S}. Seen last: {alert.text}"
    )


def _event(alert: Alert, *, resolved: bool) -> Event:
    state = "resolved" if resolved else "opened"
    return Event(
        id=f"alert/{alert.id}/{state}",
        type=f"alert.{state}",
        name=alert.rule,
        queue=alert.subject,
        at=alert.resolved_at or alert.opened_at,
        data={
            "id": alert.id,
            "rule": alert.rule,
            "subject": alert.subject,
            "text": alert.text,
            "value": alert.value,
            "opened_at": alert.opened_at,
            "resolved_at": alert.resolved_at,
        },
    )
