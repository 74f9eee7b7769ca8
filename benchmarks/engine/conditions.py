"""Under what conditions the figures hold."""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime

from benchmarks.engine.server import Server
from benchmarks.engine.systems import System
from service.embedded.valkey import MEMORY

_ASK = """
import sys
from importlib.metadata import version
print(sys.version.split()[0])
for name in sys.argv[1:]:
    print(name, version(name))
"""


def versions(system: System) -> list[str] | None:
    """Ask a system's Python for its own version and its packages'; None when one is missing."""
    if not system.python.exists():
        return None
    command = [str(system.python), "-c", _ASK, *system.distributions]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return None
    python, *packages = answer.stdout.splitlines()
    return [*packages, f"Python {python}"]


def conditions(
    server: Server, systems: Iterable[System], *, rounds: int, short: bool
) -> dict[str, object]:
    """Describe the machine, the server, the systems and the run."""
    info = server.info()
    product = "valkey" if "valkey_version" in info else "redis"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "server": f"{product} {info[f'{product}_version']}, loopback TCP, no persistence, "
        + " ".join(f"{name}={value}" for name, value in MEMORY.items()),
        "load_before": round(os.getloadavg()[0], 2),
        "rounds": rounds,
        "short": short,
        "systems": {
            system.name: {
                "versions": versions(system),
                "configuration": system.configuration,
            }
            for system in systems
        },
    }


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:  # noqa: PTH123 - a Path would not stream
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(names, platform.machine())
