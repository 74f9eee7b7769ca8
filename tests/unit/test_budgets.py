"""The times of publishing fit into each other."""

from datetime import timedelta

from service.kit.outbound import Outbound
from service.platforms.registry import build
from service.posts.attempting import PREPARE_BUDGET
from service.posts.jobs import PUBLISH_TIMEOUT
from service.posts.publishing import CLAIM_LEASE, LEASE_MARGIN


def test_preparing_and_committing_fit_into_the_job_and_the_job_into_the_claim() -> None:
    """A claim never ends under a running job, and a commit is never cut off by the job's limit."""
    limit = timedelta(seconds=PUBLISH_TIMEOUT)
    for platform in build(Outbound()).values():
        assert PREPARE_BUDGET + platform.commit_deadline + LEASE_MARGIN <= limit, platform.name
    assert limit < CLAIM_LEASE
