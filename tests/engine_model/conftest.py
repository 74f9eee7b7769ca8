"""The server of the queue's tests."""

from tests.queue.conftest import valkey_socket_url as valkey_socket_url
