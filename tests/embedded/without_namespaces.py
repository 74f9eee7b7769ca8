"""Run a command as root where user namespaces are refused, as a container refuses them.

    without_namespaces.py USERS COMMAND…

Only the first USERS user and group ids exist inside: with 65536 there is a nobody, with 1 not.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000


def main() -> None:
    """Make a user namespace in which no further one can be made, and run the command there."""
    users, command = sys.argv[1], sys.argv[2:]
    made, made_end = os.pipe()
    mapped, mapped_end = os.pipe()
    child = os.fork()
    if child == 0:
        if ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0:
            sys.exit("no user namespace could be made")
        os.write(made_end, b".")
        os.read(mapped, 1)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        os.execv(command[0], command)
    os.close(made_end)
    if not os.read(made, 1):
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{child}/{kind}").write_text(f"0 0 {users}")
    os.write(mapped_end, b".")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    main()
