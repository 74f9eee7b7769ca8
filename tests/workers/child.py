"""A process for supervisors: child.py FOLDER BEHAVIOUR.

It writes a file named by its incarnation: its process id and, in further lines, what it is told.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def serve(file: Path) -> None:
    """End half a second after SIGTERM, or at once when told again."""
    told = 0

    def tell(_: int, __: object) -> None:
        nonlocal told
        told += 1
        with file.open("a") as log:
            log.write("told\n")

    signal.signal(signal.SIGTERM, tell)
    begin(file)
    while not told:
        time.sleep(0.01)
    deadline = time.monotonic() + 0.5
    while told < 2 and time.monotonic() < deadline:
        time.sleep(0.01)


def ignore(file: Path) -> None:
    """Do not end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(file)
    time.sleep(60)


def family(file: Path) -> None:
    """Serve with a child, in a process group of its own, that holds our output open."""
    child = subprocess.Popen(["sleep", "60"], process_group=0)
    file.with_suffix(".child").write_text(str(child.pid))
    serve(file)


def mute(file: Path) -> None:
    """Serve with everything closed that a parent could be waiting on."""
    os.closerange(0, 3)
    serve(file)


def begin(file: Path) -> None:
    """Say which process this is, in one step."""
    draft = file.with_suffix(".draft")
    draft.write_text(f"{os.getpid()}\n")
    draft.rename(file)


def main(folder: str, behaviour: str) -> None:
    """Behave."""
    file = Path(folder) / os.environ["ALMANAC_INCARNATION"]
    if behaviour.isdigit():
        begin(file)
        sys.exit(int(behaviour))
    {"serve": serve, "ignore": ignore, "family": family, "mute": mute}[behaviour](file)


if __name__ == "__main__":
    main(*sys.argv[1:])
