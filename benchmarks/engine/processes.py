"""Worker and sender processes, and what they take of the machine (Linux: from /proc)."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.systems import ROOT, System
from benchmarks.peers.board import FOLDER, Board
from service.kit.process import dying_with_us

STOP_SECONDS = 5.0
SEND_SECONDS = 300.0


class SampleFailed(Exception):
    """A system did not do what a workload asks; the text says what."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Starts the processes of one system against one server."""

    system: System
    url: str
    folder: Path
    """Of the board."""
    log: Path

    def board(self) -> Board:
        """Open what the jobs report."""
        return Board(self.folder)

    def clear(self) -> None:
        """Forget what earlier processes reported; none of them may be running."""
        for path in self.folder.iterdir():
            path.unlink()

    @contextmanager
    def workers(self, slots: int, processes: int = 1) -> Iterator["Workers"]:
        """Run worker processes until the block ends."""
        started: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(processes):
                started.append(self._start(["work", "--slots", str(slots)]))
            yield Workers(started, self.log)
        finally:
            _stop(started)

    def send(self, mode: str, job: str, count: int, first: int = 0) -> float:
        """Send from a process of its own and return the seconds that it took.

        Raises:
            SampleFailed: the sender failed or took too long.
        """
        arguments = [mode, "--job", job, "--count", str(count), "--first", str(first)]
        process = self._start(arguments, stdout=subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=SEND_SECONDS)
        except subprocess.TimeoutExpired:
            raise SampleFailed(f"sending took over {SEND_SECONDS:.0f} s") from None
        finally:
            _stop([process])
        if process.returncode != 0:
            raise SampleFailed(f"the sender failed: {last_line(self.log)}")
        return float(output)

    def _start(
        self, arguments: Sequence[str], stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        command = [self.system.python, "-m", "benchmarks.peers.host", self.system.module]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*map(str, command), *arguments, "--url", self.url],
                cwd=ROOT,
                env={**os.environ, FOLDER: str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,  # its children die with its group, below
                preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
            )


@dataclass(frozen=True, slots=True)
class Workers:
    """Running worker processes."""

    processes: list[subprocess.Popen[bytes]]
    log: Path

    def check(self) -> None:
        """Raise SampleFailed when one has ended."""
        for process in self.processes:
            if process.poll() is not None:
                code = process.returncode
                raise SampleFailed(f"a worker ended with code {code}: {last_line(self.log)}")

    def cpu_seconds(self) -> float:
        """Return the processor time that the threads of their whole tree have used."""
        threads = (thread for pid in self._tree() for thread in Path(f"/proc/{pid}/task").iterdir())
        return sum(int((at / "schedstat").read_text().split()[0]) for at in threads) / 1e9

    def rss_mib(self) -> float:
        """Return the memory that they and their children hold."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._tree())
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _tree(self) -> list[int]:
        found = [process.pid for process in self.processes]
        for pid in found:  # grows while it is read
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found.extend(map(int, (thread / "children").read_text().split()))
        return found


def last_line(log: Path) -> str:
    """Return the end of a log, which is where Python names the error."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "(no output)"


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _kill_group(process.pid)


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return  # no child has outlived it
