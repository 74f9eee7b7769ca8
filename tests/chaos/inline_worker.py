"""The maintenance process of an installation whose jobs are those of `tests.db.test_inline`."""

from service.commands.worker import WorkerOptions, run_worker
from service.config import Settings
from service.kit.logging import configure_logging
from tests.db import test_inline

if __name__ == "__main__":
    assert test_inline.task.inline, "imported so that its jobs are declared"
    configure_logging("INFO", json=False)
    run_worker(Settings(), WorkerOptions(["maintenance"]))
