"""The times of publishing fit into each other."""

from datetime import timedelta

from service.kit.outbound import Outbound
from service.platforms.registry import build
from service.platforms.setup import Setup
from service.posts.attempting import PREPARE_BUDGET, VIDEO_BUDGET
from service.posts.jobs import PUBLISH_TIMEOUT
from service.posts.publishing import CLAIM_LEASE, LEASE_MARGIN, RENEW_EVERY


def test_preparing_and_committing_fit_into_the_job() -> None:
    """A commit is never cut off by the job's limit, not even after a token was renewed."""
    limit = timedelta(seconds=PUBLISH_TIMEOUT)
    assert PREPARE_BUDGET <= VIDEO_BUDGET
    for platform in build(Setup(Outbound())).values():
        assert VIDEO_BUDGET + platform.commit_deadline + LEASE_MARGIN <= limit, platform.name


def test_a_claim_outlives_two_signs_of_life_that_fail() -> None:
    """A claim never ends under a running job because a statement or two were slow."""
    assert timedelta(seconds=3 * RENEW_EVERY) <= CLAIM_LEASE
    for platform in build(Setup(Outbound())).values():
        extended = platform.commit_deadline + LEASE_MARGIN
        assert extended >= timedelta(seconds=RENEW_EVERY), platform.name
