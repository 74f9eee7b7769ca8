"""The contract with workers: declared jobs, how they are sent, and what became of them.

Knows arq and Redis and nothing of the rest of Almanac, so that another project can use it alone.
"""

from service.queue.client import QueueClient
from service.queue.connect import connect, verify
from service.queue.declaration import JobCall, JobType, declared, job
from service.queue.errors import DecodeError, EncodeError, NotJSON, PayloadTooLarge, RemoteError
from service.queue.failures import Failure
from service.queue.inspection import JobState, JobView, cancel, inspect, wait
from service.queue.names import Queue, queue_key
from service.queue.rules import Rule

__all__ = [
    "DecodeError",
    "EncodeError",
    "Failure",
    "JobCall",
    "JobState",
    "JobType",
    "JobView",
    "NotJSON",
    "PayloadTooLarge",
    "Queue",
    "QueueClient",
    "RemoteError",
    "Rule",
    "cancel",
    "connect",
    "declared",
    "inspect",
    "job",
    "queue_key",
    "verify",
    "wait",
]
