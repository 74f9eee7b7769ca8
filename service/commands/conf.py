"""`almanac conf`: the settings in force."""

from rich.markup import escape
from rich.table import Table

from service.commands.terminal import out, print_json
from service.config import Settings
from service.effective import effective


def show_settings(*, as_json: bool) -> None:
    """Print settings by the names that people set, and what they come to for jobs."""
    found = effective(Settings())
    if as_json:
        print_json(found)
        return
    for title, values in found.items():
        table = Table(title=title, show_header=False)
        for name, value in values.items():
            shown = (
                "\n".join(f"{k}: {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            table.add_row(name, escape(str(shown)))
        out.print(table)
