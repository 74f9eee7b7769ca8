"""`almanac newsletters`: writing them."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.markup import escape

from service.commands.terminal import Json, err, out, print_json
from service.config import Settings
from service.kit.outbound import Outbound
from service.newsletters import generating
from service.newsletters.generating import Written

app = typer.Typer()


@app.callback()
def newsletters() -> None:
    """Newsletters."""


@app.command()
def generate(
    topic: Annotated[str, typer.Argument(help="What it is about, 3 to 500 characters")],
    *,
    style: Annotated[
        str, typer.Option(help="concise, professional, friendly, detailed, or any other words")
    ] = "concise",
    source: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A feed or page; may be given several times"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a newsletter here and now, without queue, worker and database; nothing is stored."""
    with err.status("Writing…"):
        written = asyncio.run(_write(topic, style, source or []))
    if as_json:
        print_json(asdict(written))
        return
    out.print(f"[bold]{escape(written.subject)}[/]\n", soft_wrap=True, highlight=False)
    if out.is_terminal:
        out.print(Markdown(written.content))
    else:
        out.print(escape(written.content), soft_wrap=True, highlight=False)
    for used in written.sources:
        if used.problem:
            err.print(f"[yellow]Left out:[/] {escape(used.problem)}")


async def _write(topic: str, style: str, sources: list[str]) -> Written:
    settings = Settings()
    async with Outbound(settings.allowed_private_hosts) as outbound:
        return await generating.compose(settings, outbound, topic, style, sources)
