"""Whom the servers run as. PostgreSQL refuses root, so root runs both servers as somebody else."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import ConfigurationError

# In its own user namespace a process sees itself as nobody, while its files stay root's.
NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
REACH = 'for path; do test -x "$path" || { echo "$path"; exit 1; }; done'


@dataclass(frozen=True, slots=True)
class Account:
    """A command prefix and a user for server processes; None is this process's own user."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    @property
    def file_uid(self) -> int:
        """The owner, on disk, of what the servers write."""
        return os.geteuid() if self.uid is None else self.uid

    def problem(self, command: Sequence[str]) -> str | None:
        """Run a short command this way and return what it complained of, or None if it worked."""
        try:
            done = subprocess.run(
                [*self.prefix, *command],
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            return str(error)
        output = (done.stderr + done.stdout).strip()
        return None if done.returncode == 0 else output or f"exit code {done.returncode}"

    def check_reach(self, *paths: Path) -> None:
        """Check that the servers can enter these folders and run these programs.

        Raises:
            ConfigurationError: a path is closed to the account.
        """
        if not self.prefix and self.uid is None:
            return
        closed = self.problem(["/bin/sh", "-c", REACH, "sh", *map(str, paths)])
        if closed is not None:
            name = "nobody" if self.uid is not None else "root without its privileges"
            raise ConfigurationError(
                f"PostgreSQL does not run as root, and as {name} it cannot reach {closed}. "
                "Open the folders above it (chmod o+x), set ALMANAC_HOME to another folder, "
                "or run Almanac as a normal user."
            )


def server_account() -> Account:
    """Choose how to run the servers: as this user, or for root in a namespace or as nobody.

    Raises:
        ConfigurationError: this is root, and both ways are closed.
    """
    if os.geteuid() != 0:
        return Account()
    mapped = Account(prefix=NAMESPACE)
    mapped_problem = mapped.problem(["true"])
    if mapped_problem is None:
        return mapped
    nobody = _nobody()
    nobody_problem = "there is no such user" if nobody is None else nobody.problem(["true"])
    if nobody is not None and nobody_problem is None:
        return nobody
    raise ConfigurationError(
        "PostgreSQL does not run as root, and both ways around that are closed here. "
        f"User namespace: {mapped_problem}. User nobody: {nobody_problem}. "
        "Run Almanac as a normal user, or set DATABASE_URL to a server of yours."
    )


def hand_over(folder: Path, account: Account) -> None:
    """Make a server's folder the account's: root's data may come from a run the other way.

    Raises:
        ConfigurationError: the folder belongs to somebody who is neither.
    """
    owner = folder.stat().st_uid
    if owner == account.file_uid:
        return
    nobody = _nobody()
    if os.geteuid() != 0 or owner not in {0, nobody and nobody.uid}:
        raise foreign(folder, owner)
    gid = 0 if account.gid is None else account.gid
    # The folder itself comes last, so that an interrupted change is redone.
    for path in [*folder.rglob("*"), folder]:
        os.chown(path, account.file_uid, gid, follow_symlinks=False)


def foreign(path: Path, owner: int) -> ConfigurationError:
    """Make the error for a path that belongs to another user."""
    return ConfigurationError(
        f"{path} belongs to {_user_name(owner)}, but this process runs as "
        f"{_user_name(os.geteuid())}. Run Almanac as its owner, or set ALMANAC_HOME to "
        "another folder."
    )


def _nobody() -> Account | None:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _user_name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
