"""One running installation for each module that asks for it."""

from collections.abc import Iterator

import pytest

from tests.e2e.installed import Api, Place, nothing_left, place, up
from tests.e2e.processes import Running


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where the installation is."""
    return place(tmp_path_factory.mktemp("up"), ALMANAC_ALLOWED_PRIVATE_HOSTS="127.0.0.1")


@pytest.fixture(scope="module")
def installation(where: Place) -> Iterator[Running]:
    """A running `almanac up`, which at the end is stopped as a person does."""
    with up(where) as process:
        yield process
        process.process.terminate()
        assert process.process.wait(20) == 0
        assert nothing_left(where.home)


@pytest.fixture(scope="module")
def api(where: Place, installation: Running) -> Iterator[Api]:
    """A client with a key made by the command line."""
    with Api(where.url, where.new_key("ci")) as client:
        yield client
