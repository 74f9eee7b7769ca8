"""Run the servers of one home until a signal: supervise.py HOME [--postgres-bin F] [--valkey P]."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from service.embedded import EmbeddedServers
from service.errors import AlmanacError


def main() -> None:
    """Print the endpoints as one JSON line once they answer, or the error's slug and text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--postgres-bin", type=Path)
    parser.add_argument("--valkey", type=Path)
    wanted = parser.parse_args()
    servers = EmbeddedServers(
        wanted.home, postgres_bin=wanted.postgres_bin, valkey_program=wanted.valkey
    )
    try:
        with servers as endpoints:
            sys.stdout.write(json.dumps(asdict(endpoints)) + "\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.exit(130)
    except AlmanacError as error:
        sys.exit(f"{error.slug}: {error}")


if __name__ == "__main__":
    main()
