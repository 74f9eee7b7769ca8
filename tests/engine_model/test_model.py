"""The worker's scripts against the model, over random histories.

`ENGINE_MODEL_EXAMPLES=5000 pytest tests/engine_model` searches for longer.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine_model.machine import QueueMachine

EXAMPLES = int(os.environ.get("ENGINE_MODEL_EXAMPLES", "350"))
STEPS = int(os.environ.get("ENGINE_MODEL_STEPS", "40"))


def test_no_history_breaks_an_invariant(valkey_socket_url: str) -> None:
    """M1 to M8, M10 and M15 hold after every step; M10, M15 and the absence of leaks at the end."""
    run_state_machine_as_test(
        lambda: QueueMachine(valkey_socket_url),  # type: ignore[arg-type] # hypothesis only calls it
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
