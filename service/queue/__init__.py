"""The contract with workers: declared jobs, how they are sent, and what became of them.

Knows arq and Redis and nothing of the rest of Almanac, so that another project can use it alone.
"""

from service.queue.call import JobCall, Lane
from service.queue.client import QueueClient
from service.queue.connect import connect, verify
from service.queue.dead import DeadFilter, DeadJob, Replayed, dead_jobs, discard, find_dead, replay
from service.queue.declaration import JobType, declared, job
from service.queue.errors import DecodeError, EncodeError, NotJSON, PayloadTooLarge, RemoteError
from service.queue.failures import Failure
from service.queue.headers import HEADERS, ROW
from service.queue.inspection import cancel, cancel_queued, inspect, wait
from service.queue.lanes import move_lane
from service.queue.names import Queue, queue_key
from service.queue.operations import Purged, is_paused, pause, purge, resume
from service.queue.owners import ROW_OWNER, Owner, Resolve
from service.queue.policy import Concurrency, Rate, RetryPolicy
from service.queue.reading import job_call
from service.queue.rules import SITE, Rule
from service.queue.sealing import use_keyring
from service.queue.spans import sending
from service.queue.views import JobState, JobView

__all__ = [
    "HEADERS",
    "ROW",
    "ROW_OWNER",
    "SITE",
    "Concurrency",
    "DeadFilter",
    "DeadJob",
    "DecodeError",
    "EncodeError",
    "Failure",
    "JobCall",
    "JobState",
    "JobType",
    "JobView",
    "Lane",
    "NotJSON",
    "Owner",
    "PayloadTooLarge",
    "Purged",
    "Queue",
    "QueueClient",
    "Rate",
    "RemoteError",
    "Replayed",
    "Resolve",
    "RetryPolicy",
    "Rule",
    "cancel",
    "cancel_queued",
    "connect",
    "dead_jobs",
    "declared",
    "discard",
    "find_dead",
    "inspect",
    "is_paused",
    "job",
    "job_call",
    "move_lane",
    "pause",
    "purge",
    "queue_key",
    "replay",
    "resume",
    "sending",
    "use_keyring",
    "verify",
    "wait",
]
