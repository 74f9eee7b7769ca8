"""A program on a terminal of its own, where a person reads, and types Ctrl-C."""

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.embedded.helpers import eventually

STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Makes the terminal the new session's own, so that its Ctrl-C is a signal, then runs the program.
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """What a program shows, without colours; a thread reads it all the time."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._shown = bytearray()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError as error:
                if error.errno != errno.EIO:  # Linux's word for: nobody is left on the other side
                    raise
                return
            if not data:
                return
            self._shown += data

    @property
    def text(self) -> str:
        """Everything so far."""
        return STYLES.sub("", self._shown.decode(errors="replace"))

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Wait until the terminal shows this."""
        eventually(lambda: text in self.text or self.process.poll() is not None, seconds)
        assert text in self.text, f"no {text!r} in:\n{self.text}"

    def press_ctrl_c(self) -> None:
        """Type Ctrl-C."""
        self.press("\x03")

    def press(self, key: str) -> None:
        """Type a key."""
        os.write(self._master, key.encode())


@contextmanager
def on_terminal(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator[Terminal]:
    """Run a program on a terminal; at the end it is killed if it still runs, and reaped."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, 200))
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *command],
        env=dict(environment),
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        terminal.reader.join(10)
        os.close(master)
