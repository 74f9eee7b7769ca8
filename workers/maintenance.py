"""The maintenance queue: every periodic rule, and the jobs that keep the house clean.

It is never scaled to zero: it is the clock of all schedules, also when no other worker runs.
"""

from service.access import jobs as access_jobs
from service.accounts import authorization_actions as authorizations
from service.accounts import jobs as accounts_jobs
from service.community import jobs as community_jobs
from service.emails import actions as emails
from service.measures import jobs as measures_jobs
from service.media import jobs as media_jobs
from service.monitoring import actions, alerting, jobs
from service.newsletters import jobs as newsletter_jobs
from service.notifications import actions as notifications
from service.notifications import jobs as notifications_jobs
from service.planning import jobs as planning_jobs
from service.posts import jobs as posts_jobs
from service.rosters import jobs as rosters_jobs
from service.runtime import Runtime
from service.webhooks import actions as webhooks
from service.workflows import actions as workflows
from workers import (
    alerts,
    analytics,
    answering,
    community,
    health,
    inline,
    loops,
    media,
    newsletters,
    notices,
    notifying,
    periodic,
    planning,
    process,
    publishing,
    recorder,
    rosters,
    sessions,
    tokens,
)
from workers.engine import Context, run


async def clean(ctx: Context) -> dict[str, int]:
    """Delete what has outlived its retention."""
    runtime: Runtime = ctx["runtime"]
    settings = runtime.settings
    age = settings.history_retention_failed
    async with runtime.unit_of_work() as uow:
        told = {
            "authorizations": await authorizations.forget(uow.session),
            "deliveries": await webhooks.forget(uow.session, age),
            "emails": await emails.forget(uow.session, age),
            "notices": await notifications.forget(uow.session, age),
            "workflows": await workflows.forget(uow.session, age),
        }
        return told | await actions.clean(
            uow.session,
            settings.history_retention,
            settings.history_retention_failed,
            settings.idempotency_retention,
        )


async def startup(ctx: Context) -> None:
    """Open what every worker opens, and begin what only this process does."""
    await process.startup(ctx)
    runtime: Runtime = ctx["runtime"]
    sweep = loops.run_alone(runtime, loops.SWEEP_LOCK, "the sweep of durable jobs", loops.sweep)
    process.beside(ctx, sweep)
    record = loops.run_alone(runtime, recorder.LOCK, "the recorder", recorder.serve)
    process.beside(ctx, record)
    fallback = loops.run_alone(runtime, inline.LOCK, "the inline fallback", inline.serve)
    process.beside(ctx, fallback)
    if runtime.settings.alerting:
        alerting.wanted(runtime.settings)  # a wrong name is told of at start, not once a loop runs
        process.beside(ctx, loops.run_alone(runtime, alerts.LOCK, "alerting", alerts.serve))
        process.beside(ctx, alerts.watch_database(runtime))


@process.serves("maintenance")
class WorkerSettings:
    """`arq workers.maintenance.WorkerSettings`."""

    functions = (
        run(jobs.clean, clean),
        run(jobs.health, health.check),
        run(jobs.ping, answering.ping),
        run(posts_jobs.sweep, publishing.sweep),
        run(accounts_jobs.refresh_tokens, tokens.renew),
        run(notifications_jobs.mail, notices.mail),
        run(notifications_jobs.digest, notices.digest),
        run(planning_jobs.recur, planning.recur),
        run(newsletter_jobs.check_due, newsletters.check_due),
        run(newsletter_jobs.sweep, newsletters.sweep),
        run(media_jobs.clean_published, media.clean_published),
        run(measures_jobs.measure, analytics.measure),
        run(measures_jobs.clean, analytics.clean),
        run(community_jobs.update_statistics, community.update_statistics),
        run(community_jobs.update_trending, community.update_trending),
        run(community_jobs.clean_posts, community.clean_posts),
        run(community_jobs.analyse_day, community.analyse_day),
        run(community_jobs.update_scores, community.update_scores),
        run(community_jobs.send_digests, community.send_digests),
        run(access_jobs.clean_sessions, sessions.clean),
        run(notifications_jobs.cleanup, notifying.cleanup),
        run(notifications_jobs.digest_users, notifying.digest_users),
        run(rosters_jobs.lock, rosters.lock),
    )
    cron_jobs = periodic.cron_jobs(periodic.RULES, functions)
    on_startup = startup
