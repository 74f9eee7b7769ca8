"""Start server processes that never outlive this one, and wait for them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.embedded.account import Account
from service.embedded.lock import wait_for_flock
from service.errors import Unavailable
from service.kit.process import dying_with_us

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.01
# The servers get nothing else of the environment: not the secrets, not PGPORT and its like.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts the processes of one server: as whom, writing to which log, under which lock.

    Every process inherits the locked descriptor, so the lock is free exactly when none is left.
    """

    name: str
    account: Account
    log: Path
    lock: int
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of its environment."""

    def launch(
        self, argv: Sequence[str], death_signal: signal.Signals, *, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start a process in its own session; `death_signal` is sent to it when this one dies."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [*self.account.prefix, *argv],
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**environment, "TZ": "UTC", "LC_ALL": "C", **self.settings},
                user=self.account.uid,
                group=self.account.gid,
                extra_groups=None if self.account.uid is None else [],
                umask=0o077,
                # A Ctrl-C at the terminal must reach the supervisor only: it stops us cleanly.
                start_new_session=True,
                pass_fds=(self.lock,),
                preexec_fn=dying_with_us(death_signal),  # noqa: PLW1509 - system calls only
            )
        finally:
            os.close(log)

    def run(self, argv: Sequence[str], text: bytes = b"") -> None:
        """Run a program to its end, with `text` as its input.

        Raises:
            Unavailable: it failed; the message ends with the end of the log.
        """
        with self.launch(argv, signal.SIGKILL, stdin=subprocess.PIPE) as process:
            try:
                process.communicate(text)
            except BaseException:  # also Ctrl-C: the program must not go on alone
                process.kill()
                raise
        if process.returncode != 0:
            raise self.failure(f"{Path(argv[0]).name} ended with code {process.returncode}")

    def wait_ready(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        """Wait until the server answers.

        Raises:
            Unavailable: it ended, or did not answer within READY_SECONDS.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not ready():
            if process.poll() is not None:
                raise self.failure(f"{self.name} ended with code {process.returncode} at its start")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} did not answer within {READY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def failure(self, what: str) -> Unavailable:
        """Make an error from what happened and the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return Unavailable("\n".join([f"{what}. The end of {self.log}:", *lines]))


def wait_stopped(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to stop; kill it after STOP_SECONDS."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def claimed(path: Path, stop_signal: signal.Signals) -> Iterator[int]:
    """Hold a server's lock file, once no process of an earlier run is left; give its descriptor.

    On Linux the kernel has already told those to stop. Elsewhere they outlive a killed
    supervisor, so the process that the file names, which lives while the lock is held, is stopped.

    Raises:
        Unavailable: it cannot be stopped.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not wait_for_flock(descriptor, 0):
            _stop_orphan(descriptor, path, stop_signal)
        os.ftruncate(descriptor, 0)
        yield descriptor
    finally:
        os.close(descriptor)  # the processes have their own copies


def record_owner(descriptor: int, pid: int) -> None:
    """Write into a claimed lock file which process to stop when it is found orphaned."""
    os.pwrite(descriptor, str(pid).encode(), 0)


def _stop_orphan(descriptor: int, path: Path, stop_signal: signal.Signals) -> None:
    pid = int(os.pread(descriptor, 20, 0) or 0)
    for sent in (stop_signal, signal.SIGKILL):
        # Nothing is written before the process exists; and it may be gone before its children.
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        if wait_for_flock(descriptor, STOP_SECONDS):
            return
    raise Unavailable(f"Process {pid}, left by an earlier run, holds {path}. Stop it.")
