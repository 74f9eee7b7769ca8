"""PostgreSQL and Valkey for a laptop: real servers that live and end with the process using them.

with EmbeddedServers(Path(".almanac")) as endpoints:
    ...  # endpoints.database_url, endpoints.redis_url
"""

from service.embedded.endpoints import Endpoints, running
from service.embedded.lock import HomeInUse
from service.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServers", "Endpoints", "HomeInUse", "running"]
