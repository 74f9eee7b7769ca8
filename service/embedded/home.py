"""The folders of one home, and where its sockets fit."""

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from service.embedded.account import Account, foreign, hand_over
from service.errors import ConfigurationError

# sun_path of sockaddr_un without its final NUL (unix(7); 104 bytes on BSD and macOS).
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
LONGEST_SOCKET = ".s.PGSQL.5432"


class Home:
    """Paths below one home; nothing is made before `create`."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        self.lock = self.path / "supervisor.lock"
        self.endpoints = self.path / "endpoints.json"
        self._stand_in: Path | None = None

    def create(self, account: Account) -> None:
        """Make the home if it is missing, private to its owner.

        Raises:
            ConfigurationError: it cannot be made, or belongs to somebody else.
        """
        # The user nobody has to pass through to its folders below; those are private.
        mode = 0o700 if account.uid is None else 0o711
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The embedded servers need a folder at {self.path}, which cannot be made: "
                f"{error.strerror}. Set ALMANAC_HOME to another one."
            ) from error
        self.check_owner()

    def check_owner(self) -> None:
        """Check that the home is this user's: what another user's servers wrote is closed to us.

        Raises:
            ConfigurationError: it belongs to somebody else, or is out of reach.
            FileNotFoundError: there is none.
        """
        try:
            owner = self.path.stat().st_uid
        except PermissionError as error:
            raise ConfigurationError(
                f"{self.path} is in a folder that is closed to this user. "
                "Run Almanac as its owner, or set ALMANAC_HOME to another folder."
            ) from error
        if owner != os.geteuid():
            raise foreign(self.path, owner)

    def prepare(self, account: Account) -> None:
        """Make the folders; only the holder of the home's lock may."""
        self.logs.mkdir(0o700, exist_ok=True)
        for folder in (self.valkey, self.run):
            folder.mkdir(0o700, exist_ok=True)
            hand_over(folder, account)

    def fresh_log(self, name: str) -> Path:
        """Return where a server's log goes; the one of the run before is kept beside it."""
        log = self.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        return log

    def remove_sockets(self) -> None:
        """Remove the folder that stood in for `run/`, if one did."""
        if self._stand_in is not None:
            shutil.rmtree(self._stand_in)
            self._stand_in = None

    def sockets(self, account: Account) -> Path:
        """Return an empty private folder for sockets: `run/`, or a shorter one where that is long.

        Raises:
            ConfigurationError: no folder is short enough, or somebody else made it.
        """
        folder = next((f for f in self._socket_folders(account) if _fits(f)), None)
        if folder is None:
            raise ConfigurationError(
                f"{self.run} is too long for a socket (the limit is {SOCKET_PATH_BYTES} bytes), "
                "and so is the folder for temporary files. Set TMPDIR to a shorter one."
            )
        folder.mkdir(0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
            raise ConfigurationError(f"{folder} must be a private folder (mode 0700). Remove it.")
        hand_over(folder, account)
        for left in folder.iterdir():
            left.unlink()
        if folder != self.run:
            self._stand_in = folder
        return folder

    def _socket_folders(self, account: Account) -> list[Path]:
        short = f"almanac-{os.geteuid()}-{hashlib.sha256(bytes(self.path)).hexdigest()[:12]}"
        parents = [Path(tempfile.gettempdir())]
        # A runtime folder is closed to all but its user, and `su` leaves the name of another's.
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"))
        if account.uid is None and runtime.is_dir() and runtime.stat().st_uid == os.geteuid():
            parents.insert(0, runtime)
        return [self.run, *(parent / short for parent in parents)]


def _fits(folder: Path) -> bool:
    # asyncpg splits its host at commas.
    path = bytes(folder / LONGEST_SOCKET)
    return len(path) <= SOCKET_PATH_BYTES and b"," not in path
