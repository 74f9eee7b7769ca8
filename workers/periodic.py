"""Every periodic rule of the code, as this installation's settings have it."""

from collections.abc import Iterable
from dataclasses import replace

from arq.cron import CronJob
from arq.worker import Function

from schedules import (
    access,
    accounts,
    community,
    measures,
    media,
    monitoring,
    newsletters,
    notifications,
    planning,
    posts,
    rosters,
)
from service.config import Settings
from service.errors import ConfigurationError
from service.job_modules import MODULES
from service.queue import SITE, Rule
from service.runtime import Runtime
from service.schedules import actions
from workers import engine

JOBS = MODULES
"""Any worker fires any tick, so it knows all jobs."""
RULES = (
    *(*posts.RULES, *monitoring.RULES, *notifications.RULES),
    *(*accounts.RULES, *planning.RULES, *media.RULES, *measures.RULES),
    *(*access.RULES, *newsletters.RULES, *community.RULES, *rosters.RULES),
)
NAMES = tuple(rule.name for rule in RULES)
REDUCED = 5
"""Where periodic jobs are reduced, only every so many times of a rule is a tick."""


def adjusted(rules: Iterable[Rule], settings: Settings) -> list[Rule]:
    """Return rules as the settings have them: their cron lines, zones and arguments.

    Raises:
        ConfigurationError: a line is bad, or there is no rule of its name.
    """
    lines = settings.schedule_lines
    if unknown := sorted(lines.keys() - NAMES):
        raise ConfigurationError(
            f"ALMANAC_SCHEDULES: there is no rule '{unknown[0]}'; known: {', '.join(NAMES)}"
        )
    try:
        timed = [rule.at(lines[rule.name]) if rule.name in lines else rule for rule in rules]
    except ValueError as error:
        raise ConfigurationError(f"ALMANAC_SCHEDULES: {error}") from None
    return [_settled(rule, settings) for rule in timed]


def _settled(rule: Rule, settings: Settings) -> Rule:
    """Return a rule with what the settings say of its zone and its arguments."""
    zone = settings.site_zone if rule.zone == SITE else rule.zone
    arguments = settings.rule_arguments.get(rule.name, rule.arguments)
    return replace(rule, zone=zone, arguments=arguments)


def cron_jobs(rules: Iterable[Rule], functions: Iterable[Function]) -> list[CronJob]:
    """Return arq's cron jobs for rules of the code, by the settings of this process."""
    settings = Settings()
    return engine.cron_jobs(adjusted(rules, settings), functions, settings.timezone)


async def mirror(runtime: Runtime, settings: Settings) -> None:
    """Make the rows of the code's rules say what the code and the settings say.

    Args:
        runtime: where the rows are.
        settings: as read from the environment.
    """
    stride = REDUCED if settings.reduces_schedules else 1
    async with runtime.unit_of_work() as uow:
        await actions.mirror(uow.session, adjusted(RULES, settings), settings.timezone, stride)
