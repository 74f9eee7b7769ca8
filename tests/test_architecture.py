"""The code keeps to the layout: its imports, its transactions, its sizes, its jobs.

Only the syntax tree is read: no server is needed, none of our code is run.
"""

from textwrap import dedent

import pytest

from .architecture import calls, domains, jobs, layers, sizes
from .architecture.examples import BESIDE, DECLARED, EXAMPLES
from .architecture.project import Check, Project, project, repository

CHECKS: dict[str, Check] = {
    "layers": layers.check,
    "periodic rules are data": layers.check_schedules,
    "borders of domains": domains.check_borders,
    "SQL is in queries": domains.check_sql,
    "rules are pure": domains.check_rules,
    "actions await no network": domains.check_actions,
    "routes know no SQL": domains.check_routes,
    "one place commits": calls.check_commits,
    "no import in a function": calls.check_local_imports,
    "one place imports by name": calls.check_importlib,
    "no connection held over the network": calls.check_platforms,
    "sizes": sizes.check,
    "a job has its coroutine": jobs.check_coroutines,
    "workers run what is declared": jobs.check_registered,
    "periodic rules name jobs": jobs.check_periodic,
}
DOMAINS = {
    "access",
    "accounts",
    "feeds",
    "media",
    "monitoring",
    "notifications",
    "posts",
    "schedules",
    "webhooks",
    "workflows",
}
JOBS = {
    "posts.publish",
    "posts.publish_batch",
    "posts.sweep",
    "monitoring.clean",
    "monitoring.health",
    "webhooks.deliver",
    "notifications.mail",
}


@pytest.fixture(scope="module")
def almanac() -> Project:
    """The repository."""
    return repository()


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_repository_keeps_the_rule(almanac: Project, check: Check) -> None:
    if violations := [str(violation) for violation in check(almanac)]:
        pytest.fail("\n".join(violations), pytrace=False)


def test_the_checks_see_the_repository(almanac: Project) -> None:
    """A check that finds nothing to look at would pass for ever."""
    names = {module.name for module in almanac.product}
    assert almanac.domains >= DOMAINS
    assert {job.name for job in jobs.declarations(almanac)} >= JOBS
    assert names >= {calls.LOADER, *calls.LAZY, *calls.FINDERS, *layers.EXEMPT}
    assert names >= set(domains.ACTIONS_WITH_A_REASON)


@pytest.mark.parametrize(
    ("rule", "path", "source"), EXAMPLES, ids=[f"{e[0]}: {e[1]}" for e in EXAMPLES]
)
def test_the_check_finds(rule: str, path: str, source: str) -> None:
    found = CHECKS[rule](project({**BESIDE, path: dedent(source)}))
    lines = enumerate(source.splitlines(), 1)
    marked = [number for number, line in lines if line.endswith("# bad")]
    assert sorted(v.line for v in found if v.path == path) == marked


def test_a_job_that_no_worker_runs_is_found() -> None:
    worker = "from service.accounts import jobs\nfrom workers.engine import run\n"
    settings = "class WorkerSettings:\n    functions = [run(jobs.shrink, process.shrink)]\n"
    sources = {"service/accounts/jobs.py": DECLARED, "workers/media.py": worker + settings}
    found = [violation.what for violation in jobs.check_registered(project(sources))]
    assert found == [
        "accounts.shrink: workers/media.py runs workers.media.process.shrink, "
        "declared is workers.media.shrink",
        "accounts.shrink: WorkerSettings of workers/media.py does not run it",
        "accounts.store: WorkerSettings of workers/media.py does not run it",
    ]


def test_what_is_too_long_is_found() -> None:
    function = "def long():\n" + "    x = 1\n" * 60
    files = {
        "service/a.py": function,
        "tests/b.py": "x = 1\n" * 401,
        "service/c.py": "x = 1\n" * 400,
    }
    assert [str(violation) for violation in sizes.check(project(files), {})] == [
        "service/a.py:1: long has 61 lines: at most 60: split it by what changes it",
        "tests/b.py:1: the file has 401 lines: at most 400: split it by what changes it",
    ]


def test_the_ratchet_only_shrinks() -> None:
    files = project({"service/a.py": "x = 1\n" * 401, "service/b.py": "x = 1\n" * 10})
    assert not list(sizes.check(files, {"service/a.py": 401}))
    assert [v.why for v in sizes.check(files, {"service/a.py": 402, "service/b.py": 500})] == [
        "it shrank: lower its number in the ratchet",
        "remove it from the ratchet",
    ]
