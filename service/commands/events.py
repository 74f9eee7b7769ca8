"""`almanac events`: what happens to jobs, line by line as it happens."""

from contextlib import suppress

import msgspec

from service.commands.acting import on_runtime
from service.commands.terminal import out, print_json
from service.queue import live
from service.queue.live import LiveEvent
from service.runtime import Runtime


def print_events(queue: str | None, name: str | None, *, as_json: bool) -> None:
    """Print events of jobs until Ctrl-C."""

    async def follow(runtime: Runtime) -> None:
        async for event in live.watch(runtime.queue):
            if _wanted(event, queue, name):
                _print(event, as_json=as_json)

    with suppress(KeyboardInterrupt):
        on_runtime(follow)


def _wanted(event: LiveEvent, queue: str | None, name: str | None) -> bool:
    """Whether an event is asked for; a gap in the events is everybody's."""
    fits = queue in (None, event.queue) and name in (None, event.name)
    return fits or event.event == "gap"


def _print(event: LiveEvent, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(event))
        return
    when = f"{event.at:%H:%M:%S.%f}"[:-3]
    told = [f"{when} {event.event:10}", event.queue, event.name or "", event.job]
    told += [f"on {event.worker}"] if event.worker else []
    told += [f"for {event.run_at:%Y-%m-%d %H:%M:%S}"] if event.run_at else []
    out.print("  ".join(told), soft_wrap=True, markup=False, highlight=False)
