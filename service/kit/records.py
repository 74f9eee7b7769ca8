"""Reading files of records: CSV as spreadsheets write it, or JSON lines; a record at a time."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from service.errors import InvalidInput, Problem

LONGEST_CELL = 300_000
"""Characters; nothing that people write has so many."""
DELIMITERS = ",;\t|"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks, as spreadsheets write "Unicode text"."""
LOOKED_AT = 4096
"""Bytes from which the format is told."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file, as it was read."""

    line: int
    """Where it begins; of other sources, its number."""
    values: Mapping[str, Any]
    """By the column's name, in small letters."""
    problem: str | None = None
    """What is wrong with the line as such."""


def records(source: BinaryIO) -> Iterator[Record]:
    """Yield the records of a file, holding only one of them.

    A byte order mark, semicolons or tabs instead of commas, line breaks in quoted cells and blank
    lines are as they should be.

    Raises:
        InvalidInput: it is neither CSV nor JSON lines, has no header, or is not UTF-8.
    """
    source.seek(0)
    beginning = source.read(LOOKED_AT)
    source.seek(0)
    encoding = "utf-16" if beginning.startswith(UTF_16) else "utf-8-sig"
    if b"\0" in beginning and encoding != "utf-16":
        raise refused("holds binary data: save it as CSV, UTF-8")
    text = io.TextIOWrapper(source, encoding=encoding, newline="")
    try:
        yield from _of_text(text)
    except UnicodeDecodeError as error:
        raise refused(
            f"is not {encoding.removesuffix('-sig').upper()} ({error.reason}): save it as CSV, "
            "UTF-8"
        ) from None
    finally:
        text.detach()  # whoever opened the file closes it


def refused(what: str) -> InvalidInput:
    """Return the refusal of a whole file."""
    return InvalidInput([Problem("file", what)])


def _of_text(text: Iterable[str]) -> Iterator[Record]:
    lines = iter(text)
    number, first = next(
        ((number, line) for number, line in enumerate(lines, 1) if line.strip()), (0, "")
    )
    if not first:
        raise refused("is empty")
    begins = first.lstrip()[0]
    if begins == "[":
        raise refused("is a JSON array: write one object per line")
    everything = chain([first], lines)
    yield from _json(everything, number) if begins == "{" else _csv(everything, first, number)


def _json(lines: Iterable[str], first: int) -> Iterator[Record]:
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(number, {}, f"is no JSON: {error}")
            continue
        if not isinstance(found, dict):
            yield Record(number, {}, "is no JSON object")
            continue
        yield Record(number, {name.strip().lower(): value for name, value in found.items()})


def _csv(lines: Iterable[str], header: str, first: int) -> Iterator[Record]:
    csv.field_size_limit(LONGEST_CELL)
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names: list[str] = []
    line = first
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise refused(f"line {line}: is no CSV: {error}") from None
        if cells is None:
            return
        if not names:
            names = _header(cells)
        elif any(cell.strip() for cell in cells):
            yield _record(line, names, cells)
        line = first + reader.line_num


def _header(cells: list[str]) -> list[str]:
    names = [cell.strip().lower().replace(" ", "_") for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise refused(f"has the column '{twice[0][:80]}' twice")
    return names


def _record(line: int, names: list[str], cells: list[str]) -> Record:
    if len(cells) != len(names):
        what = f"has {len(cells)} cells, the header {len(names)}: quote cells with commas"
        return Record(line, {}, what)
    return Record(line, {name: cell for name, cell in zip(names, cells, strict=True) if name})
