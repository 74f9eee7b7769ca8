"""What a worker process is told on its command line, as JSON."""

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one worker process; seconds unless stated."""

    redis_url: str
    ledger: str
    lease: float = 1.0
    slots: int = 10
    instances: int = 1
    """Workers within the process."""
    newer: bool = False
    """Whether it knows `chaos.newer`."""
    max_crashes: int = 3
    grace: int = 0
    """Given to running jobs at SIGTERM."""
    skew: float = 0.0
    """How far this process's wall clock is ahead; SIGUSR2 sets it back by one hour."""
    loop_stall_limit: float = 60.0
    pickle: bool = False
    """Whether payloads are arq's own pickles; a stock worker only."""
