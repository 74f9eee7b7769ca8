"""How often a delivery is tried again, by platform."""

from datetime import timedelta

import pytest

from service.config import Settings
from service.kit.outbound import Outbound
from service.platforms.registry import build
from service.platforms.setup import Setup
from service.posts.publishing import retry_policy
from service.posts.rules import retry_delay

PLATFORMS = build(Setup(Outbound()))
RETRIES = {"youtube": (3, 120), "tiktok": (3, 90), "instagram": (3, 60), "x": (2, 45)}
OTHERS = (3, 60)


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_each_platform_has_its_own_retries(name: str) -> None:
    """V012: base · 2ⁿ seconds, so often after the first attempt, then never."""
    retries, base = RETRIES.get(name, OTHERS)
    policy = retry_policy(Settings(), PLATFORMS[name])
    delays = [retry_delay(made, policy.retries, policy.base) for made in range(1, retries + 2)]
    assert delays == [*(timedelta(seconds=base * 2**n) for n in range(retries)), None]


def test_a_setting_outranks_the_platform_s_own() -> None:
    """V012: the figures are defaults."""
    settings = Settings(publish_retries=1, publish_retry_base=timedelta(seconds=5))
    for platform in PLATFORMS.values():
        policy = retry_policy(settings, platform)
        assert (policy.retries, policy.base) == (1, timedelta(seconds=5)), platform.name
