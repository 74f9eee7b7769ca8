"""What every platform must do, whatever its protocol: one suite over all adapters.

Each adapter works against the strict emulator of its platform, over real sockets, through the
attempts that publishing makes.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.contract import Reference
from service.posts.attempting import Outcome
from service.posts.models import DUE_STATES, DeliveryState
from tests.platforms.driver import POLICY, Crash, Delivery
from tests.platforms.emulators import Emulators
from tests.platforms.rig import Rig
from tests.platforms.rigs import RIGS
from tests.servers.faults import Fault

pytestmark = pytest.mark.asyncio

PUBLISHED, FAILED = DeliveryState.PUBLISHED, DeliveryState.FAILED
UNCONFIRMED = DeliveryState.UNCONFIRMED


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest, emulators: Emulators, outbound: Outbound) -> Iterator[Rig]:
    """Each platform with an account, a server that is empty, and no undocumented request."""
    kind, make = RIGS[request.param]
    for server in emulators.lend(kind):
        yield make(server, outbound)


def fresh(rig: Rig, folder: Path) -> Iterator[tuple[str, Delivery]]:
    """Yield a delivery of each kind that the platform takes, each on an empty server."""
    for name in rig.contents(folder):
        yield name, only(rig, folder, name)


def only(rig: Rig, folder: Path, name: str | None = None) -> Delivery:
    """Empty the server and return one delivery, by default of the first kind."""
    rig.server.reset()
    contents = rig.contents(folder)
    content = contents[name] if name else next(iter(contents.values()))
    return Delivery(rig, content, rig.destination())


def out(rig: Rig) -> int:
    """Return how many posts the world sees."""
    return len(rig.server.posts)


async def test_every_kind_of_post_is_published_once(rig: Rig, tmp_path: Path) -> None:
    """G001, G010, V003, V012: each is out, with its id and its address."""
    for name, delivery in fresh(rig, tmp_path):
        problems = rig.platform.validate(delivery.content, delivery.destination.limits)
        assert problems == [], name
        outcome = await delivery.finish()
        assert outcome.state is PUBLISHED, (name, outcome.error)
        assert outcome.published is not None
        assert outcome.published.remote_id, name
        assert delivery.attempts == 1, (name, delivery.outcomes)
        assert out(rig) == 1, name


async def test_every_documented_failure_is_understood(rig: Rig, tmp_path: Path) -> None:
    """V012: what passes is retried, a limit is waited for, a refusal is final and told."""
    for kind, faults in rig.failures().items():
        for fault in faults:
            await _meets(rig, tmp_path, kind, fault)


async def _meets(rig: Rig, folder: Path, kind: str, fault: Fault) -> None:
    label = f"{kind}: {fault.method or ''} {fault.path} {fault.status} {fault.body}"
    for name in rig.contents(folder):
        delivery = only(rig, folder, name)
        rig.server.fail(fault)
        armed = fault.times
        outcome = await delivery.run()
        while fault.times == armed and delivery.state is DeliveryState.WAITING:
            delivery.wait()
            outcome = await delivery.run()
        if fault.times < armed:
            break
    else:
        pytest.fail(f"no post of {rig.name} meets {label}")
    _expect(kind, label, delivery, outcome)
    if outcome.state is not PUBLISHED:
        assert out(rig) == 0, label
        assert rig.platform.title.split()[0] in str(outcome.error), (label, outcome.error)
    if kind in {"Transient", "TokenExpired"}:
        if outcome.state is not PUBLISHED:
            outcome = await delivery.finish()
        assert outcome.state is PUBLISHED, (label, outcome)
        assert out(rig) == 1, label


def _expect(kind: str, label: str, delivery: Delivery, outcome: Outcome) -> None:
    match kind:
        case "Transient":  # some are mended at once, such as by making a container anew
            assert outcome.state in DUE_STATES, (label, outcome)
        case "RateLimited":
            assert outcome.state is DeliveryState.WAITING, (label, outcome)
            assert not outcome.counts, label
            assert outcome.limited is not None, (label, outcome)
        case "TokenExpired":
            assert delivery.refreshes == 1, (label, outcome)
        case "AuthFailed":
            assert outcome.state is DeliveryState.HELD, (label, outcome)
        case "Rejected":
            assert outcome.state is FAILED, (label, outcome)
        case "Ambiguous":
            assert outcome.uncertain, (label, outcome)
        case _:
            pytest.fail(f"{kind} is no class of failures")


async def test_a_worker_that_dies_anywhere_doubles_nothing(rig: Rig, tmp_path: Path) -> None:
    """V003: after each thing that was stored, the next worker goes on; the post is out once."""
    for name in rig.contents(tmp_path):
        saves = 1
        while True:
            delivery = only(rig, tmp_path, name)
            delivery.dies_at = saves
            try:
                await delivery.finish()
            except Crash:
                outcome = await delivery.finish()
                assert outcome.state in {PUBLISHED, UNCONFIRMED}, (name, saves, outcome)
                assert out(rig) == 1, (name, saves)
                saves += 1
                continue
            break
        assert delivery.saves < saves, name


async def test_a_worker_that_dies_behind_the_commit_doubles_nothing(
    rig: Rig, tmp_path: Path
) -> None:
    """V003: the post was out, nobody noted it: it is found, or a person is asked."""
    for name, delivery in fresh(rig, tmp_path):
        delivery.dies_behind_commit = True
        with pytest.raises(Crash):
            await delivery.finish()
        delivery.wait()
        outcome = await delivery.finish()
        assert outcome.state in {PUBLISHED, UNCONFIRMED}, (name, outcome)
        assert out(rig) == 1, name


async def test_a_lost_answer_at_the_commit_doubles_nothing(rig: Rig, tmp_path: Path) -> None:
    """V003: whoever can look, looks; where nobody can, it stays unconfirmed."""
    for name, delivery in fresh(rig, tmp_path):
        rig.server.fail(Fault(rig.commit_path, lost=True, method=rig.commit_method))
        outcome = await delivery.finish()
        assert outcome.state in {PUBLISHED, UNCONFIRMED}, (name, outcome)
        assert out(rig) == 1, name
        if rig.platform.absence_is_proof or rig.platform.repeat_window:
            assert outcome.state is PUBLISHED, (name, outcome)


async def test_a_token_that_ends_on_the_way_is_renewed(rig: Rig, tmp_path: Path) -> None:
    """V003: at whatever point: renewed once, no attempt used, nothing uploaded in vain."""
    for name, delivery in fresh(rig, tmp_path):
        rig.expire_tokens()
        outcome = await delivery.finish()
        if outcome.state is DeliveryState.HELD:  # its tokens do not end by themselves
            assert delivery.refreshes == 0
            assert out(rig) == 0
            continue
        assert outcome.state is PUBLISHED, (name, outcome)
        assert (delivery.refreshes, delivery.attempts) == (1, 1), name
        assert out(rig) == 1, name


async def test_an_account_that_is_gone_holds_its_posts(rig: Rig, tmp_path: Path) -> None:
    """V003: no attempt is burned on it; the error says what to do and holds no secret."""
    delivery = only(rig, tmp_path)
    secrets = [v for v in delivery.destination.session.values() if isinstance(v, str)]
    rig.revoke()
    outcome = await delivery.finish()
    assert outcome.state is DeliveryState.HELD, outcome
    assert out(rig) == 0
    assert not [s for s in secrets if len(s) > 15 and s in str(outcome.error)]


async def test_a_post_is_removed_once_for_all(rig: Rig, tmp_path: Path) -> None:
    """What is out is removed; a second time is no error; its figures are never made up."""
    if not rig.platform.deletes:
        return
    delivery = only(rig, tmp_path)
    outcome = await delivery.finish()
    assert outcome.published is not None
    post = Reference(outcome.published.remote_id, outcome.published.details)
    if rig.platform.measures:
        figures = await rig.platform.metrics(delivery.destination, post)
        assert all(value >= 0 for value in figures.values())
    await rig.platform.delete(delivery.destination, post)
    assert out(rig) == 0
    await rig.platform.delete(delivery.destination, post)
    assert out(rig) == 0


async def test_what_a_platform_works_on_for_ever_is_not_called_failed(
    rig: Rig, tmp_path: Path
) -> None:
    """V003: it took the post and never said what became of it: a person must look."""
    for name, delivery in fresh(rig, tmp_path):
        await delivery.run()
        while delivery.state in DUE_STATES and "almanac:taken" not in delivery.handles:
            delivery.wait()
            await delivery.run()
        if delivery.state is PUBLISHED:
            continue  # it is visible at once here
        delivery.attempts = POLICY.retries
        delivery.began_at = now() - timedelta(hours=2)
        outcome = await delivery.run(anew=False)
        assert outcome.state is UNCONFIRMED, (name, outcome)
