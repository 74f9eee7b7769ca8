"""The garbage collector in a process that lives long."""

import gc


def settle_memory() -> None:
    """Let the garbage collector pass over what was imported, and come less often.

    A job or a request makes objects that reference counts free. Looking for cycles among all that a
    program has imported took a quarter of a worker's time, and held up one request in twenty of the
    API for a fifth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
