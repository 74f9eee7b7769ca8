"""`almanac up`: start everything, say where it is, stop everything at Ctrl-C."""

import asyncio
import signal
import sys

from rich.console import Console

from service.config import Settings
from service.operator import FirstAdmin, let_first_admin_in
from service.stack import Interrupted, Stack, served, write_secret


def run_up(settings: Settings, out: Console) -> None:
    """Run until Ctrl-C or SIGTERM."""
    with Stack(settings) as stack:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _, __: stack.interrupt())
        try:
            _start(stack, out)
            stack.watch()
        except Interrupted:
            out.print("Stopping: running jobs are finished first; Ctrl-C again lets go of them.")


def _start(stack: Stack, out: Console) -> None:
    settings = stack.settings
    stack.start_servers()
    out.print(f"PostgreSQL and Valkey run; data in {settings.home}", soft_wrap=True)
    stack.migrate()
    first = asyncio.run(let_first_admin_in(settings))
    stack.start_processes()
    out.print(f"Dashboard  {settings.base_url}/", soft_wrap=True)
    out.print(f"API        {settings.base_url}/docs", soft_wrap=True)
    out.print(f"Workers    {', '.join(served())}", soft_wrap=True)
    if first is not None:
        _hand_over(first, settings, out)
    out.print("[green]Ready.[/] Ctrl-C stops everything.")


def _hand_over(first: FirstAdmin, settings: Settings, out: Console) -> None:
    """Show the first admin's key and password, or keep them where the output may be a log."""
    secrets = [("First key  ", "first-key", first.key)]
    if first.password is not None:
        secrets.append(("Password   ", "first-password", first.password))
    for title, file, secret in secrets:
        if sys.stdout.isatty():
            shown = f"[bold]{secret}[/]  (user admin; shown only now)"
        else:
            shown = f"in {write_secret(settings.home / file, secret)}"
        out.print(f"{title}{shown}", soft_wrap=True, highlight=False)
