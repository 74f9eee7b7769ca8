"""Start and stop both servers of a home."""

import signal
import subprocess
import threading
from pathlib import Path
from types import TracebackType

from service.embedded import postgres, valkey
from service.embedded.account import Account, server_account
from service.embedded.binaries import postgres_folder, valkey_server
from service.embedded.endpoints import Endpoints, publish
from service.embedded.home import Home
from service.embedded.lock import HomeLock
from service.embedded.process import Launcher, claimed, record_owner, wait_stopped

# PostgreSQL's fast shutdown (its documentation, 18.5): open sessions end, nothing is lost.
STOP_POSTGRES = signal.SIGINT
STOP_VALKEY = signal.SIGTERM


class EmbeddedServers:
    """PostgreSQL and Valkey for one home, run by this process and stopped with it.

    Args:
        home: folder for data, logs and sockets; made (mode 0700) when missing.
        postgres_bin: folder with `postgres` and `initdb`; found when not given.
        valkey_program: a Valkey or Redis server; found when not given.
    """

    def __init__(
        self,
        home: Path,
        *,
        postgres_bin: Path | None = None,
        valkey_program: Path | None = None,
    ) -> None:
        self._home = Home(home)
        self._lock = HomeLock(self._home.lock)
        self._postgres_bin = postgres_bin
        self._valkey_program = valkey_program
        self._processes: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []

    def start(self) -> Endpoints:
        """Start both servers and return when they answer; on any failure nothing is left running.

        Raises:
            HomeInUse: another supervisor runs this home's servers.
            ConfigurationError: programs, home or data cannot be used as they are.
            Unavailable: a server failed; the message ends with the end of its log.
            RuntimeError: not called from the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            # Linux stops the servers when the *thread* that started them ends (prctl(2)).
            raise RuntimeError("EmbeddedServers.start must be called from the main thread")
        programs = postgres_folder(self._postgres_bin)
        program = valkey_server(self._valkey_program)
        account = server_account()
        self._home.create(account)
        account.check_reach(self._home.path, programs / "postgres", program)
        supervisor = self._lock.acquire()
        try:
            sockets = self._start_both(programs, program, account)
            return publish(self._home, sockets, supervisor)
        except BaseException:  # also Ctrl-C: nothing may be left running
            self.stop()
            raise

    def stop(self) -> None:
        """Shut both servers down cleanly, wait for them, and free the home; again is harmless."""
        if not self._lock.held:
            return
        self._home.endpoints.unlink(missing_ok=True)
        try:
            for process, stop_signal in self._processes:
                process.send_signal(stop_signal)
            for process, _ in self._processes:
                wait_stopped(process)
        finally:
            self._processes.clear()
            self._home.remove_sockets()
            self._lock.release()

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start_both(self, programs: Path, program: Path, account: Account) -> Path:
        home = self._home
        with (
            claimed(home.path / "postgres.lock", STOP_POSTGRES) as postgres_lock,
            claimed(home.path / "valkey.lock", STOP_VALKEY) as valkey_lock,
        ):
            home.prepare(account)
            sockets = home.sockets(account)
            # Valkey starts while PostgreSQL's data is made or checked.
            log = home.fresh_log("valkey")
            cache = Launcher("Valkey", account, log, valkey_lock, valkey.MEMORY)
            cache_process = self._launch(
                cache, valkey.command(program, home.valkey, sockets), STOP_VALKEY
            )
            database = Launcher("PostgreSQL", account, home.fresh_log("postgres"), postgres_lock)
            postgres.prepare(programs, home.postgres, database)
            database_process = self._launch(
                database, postgres.command(programs, home.postgres, sockets), STOP_POSTGRES
            )
            cache.wait_ready(cache_process, lambda: valkey.answers(sockets))
            database.wait_ready(database_process, lambda: postgres.answers(sockets))
        return sockets

    def _launch(
        self, launcher: Launcher, command: list[str], stop_signal: signal.Signals
    ) -> subprocess.Popen[bytes]:
        process = launcher.launch(command, stop_signal)
        self._processes.append((process, stop_signal))
        record_owner(launcher.lock, process.pid)
        return process
