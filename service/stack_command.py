"""`almanac up`: start everything, say where it is, stop everything at Ctrl-C."""

import asyncio
import signal
import sys

from rich.console import Console

from service.config import Settings
from service.operator import make_first_key
from service.stack import Interrupted, Stack, write_first_key


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
    key = asyncio.run(make_first_key(settings))
    stack.start_processes()
    out.print(f"API        {settings.base_url}/docs", soft_wrap=True)
    out.print("Workers    publishing, webhooks, maintenance")
    if key is not None and sys.stdout.isatty():
        out.print(f"First key  [bold]{key}[/]  (admin; shown only now)", soft_wrap=True)
    elif key is not None:
        out.print(f"First key  in {write_first_key(settings.home, key)}", soft_wrap=True)
    out.print("[green]Ready.[/] Ctrl-C stops everything.")
