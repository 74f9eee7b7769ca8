"""`almanac up` before it starts anything."""

import socket
from pathlib import Path

import pytest

from service.config import Settings
from service.errors import ConfigurationError
from service.stack import Stack


def test_a_taken_port_is_refused_before_any_process_starts(tmp_path: Path) -> None:
    """Whoever listens there must not be mistaken for our API."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = Stack(Settings(_env_file=None, home=tmp_path, port=port))
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*ALMANAC_PORT"):
            stack.start_processes()
    assert [child.process for child in stack.children] == [None, None, None]
