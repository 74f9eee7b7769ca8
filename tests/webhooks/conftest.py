"""A running receiver of webhooks, emptied before each test."""

from collections.abc import Iterator

import pytest

from tests.servers.receiver import Receiver


@pytest.fixture(scope="session")
def receiver_thread() -> Iterator[Receiver]:
    """A running receiver."""
    with Receiver() as server:
        yield server


@pytest.fixture
def receiver(receiver_thread: Receiver) -> Receiver:
    """A receiver that has nothing yet."""
    receiver_thread.reset()
    return receiver_thread
