"""Child processes that never outlive this one."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

PR_SET_PDEATHSIG = 1  # prctl(2)
_libc: ctypes.CDLL | None = ctypes.CDLL(None) if sys.platform == "linux" else None


def dying_with_us(death_signal: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn`: when this process ends, however it does, the child gets this signal.

    Linux ties it to the thread that starts the child, which must therefore be the main thread; a
    change of user in the child would undo it, so it comes after that (prctl(2)). Elsewhere it does
    nothing.
    """
    return partial(_die_with, os.getpid(), death_signal)


def _die_with(parent: int, death_signal: signal.Signals) -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
