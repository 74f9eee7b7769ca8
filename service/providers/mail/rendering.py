"""Templates of mails: Jinja2 makes MJML, MJML makes HTML that mail programs understand.

Values are escaped. One that is `Markup` is HTML already: it is put in after MJML has done its part,
so that it need not be well-formed XML; whoever makes it has cleaned it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import css_inline
import mrml
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)
from markupsafe import Markup

from service.errors import InvalidInput, Problem
from service.kit.text import storable
from service.providers.mail import template_rules
from service.providers.mail.plain_text import nesting_problem, plain_text

MAX_TEMPLATE = 200_000
MAX_OUTPUT = 2_000_000
MAX_RULES = 500
"""Rules of CSS: each is compared with every element."""
MAX_ELEMENTS = 20_000
FIELD = "template"
_TOKEN = "almanac-html-{}-here"  # noqa: S105 - no secret
_TOKENS = re.compile(r"almanac-html-(\d+)-here")
_BASE = Path(__file__).parent / "templates"
_POSITION = re.compile(r" in root template| at position (\d+)(?::\d+)?")


_AMISS = (
    *(TemplateError, TypeError, ValueError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError),  # what some of Jinja2's filters raise for bad arguments
)
"""What expressions raise for values of another kind than they expect."""


class TemplateRefused(InvalidInput):
    """A template cannot be rendered: one problem, which names the line where it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__([Problem(FIELD, f"line {line}: {message}" if line else message)])


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail in both of its forms."""

    html: str
    text: str


class _Kept:
    """HTML values of one rendering, which wait for their place."""

    def __init__(self) -> None:
        self._values: list[str] = []

    def keep(self, value: Any) -> Any:
        """Return what stands for a value in MJML."""
        if not isinstance(value, Markup):
            return value
        self._values.append(str(value))
        return Markup(_TOKEN.format(len(self._values) - 1))  # noqa: S704 - digits and letters

    def put_back(self, html: str) -> str:
        """Return the HTML with the values in it."""
        if sum(map(len, self._values)) > MAX_OUTPUT:
            raise _too_large()
        known = self._values

        def value(found: re.Match[str]) -> str:
            number = int(found[1][:9])
            return known[number] if number < len(known) else found[0]

        return _TOKENS.sub(value, html)


def render(template: str, values: Mapping[str, Any]) -> Rendered:
    """Render a template that a person wrote.

    It may fill in values, choose (`if`) and repeat (`for`); it includes nothing, calls nothing, and
    ends within two seconds.

    Args:
        template: MJML with Jinja2.
        values: what it may name; a name that is not among them is an error.

    Raises:
        TemplateRefused: it is too large, malformed, or does what it may not.
    """
    if len(template) > MAX_TEMPLATE:
        raise TemplateRefused(f"has more than {MAX_TEMPLATE:,} characters")
    kept = _Kept()
    environment = template_rules.sandbox(kept.keep)

    def filled() -> str:
        tree = environment.parse(template)
        template_rules.check(tree)
        code = environment.compile(tree)
        made = environment.template_class.from_code(environment, code, dict(environment.globals))
        parts, size = [], 0
        for part in made.generate(**values, **template_rules.counters()):
            size += len(part)
            if size > MAX_OUTPUT:
                raise _too_large()
            parts.append(part)
        return "".join(parts)

    return _finished(_told(filled), kept)


def render_file(folder: Path, name: str, values: Mapping[str, Any]) -> Rendered:
    """Render a template that ships with a package; it may extend `base.mjml` and use all of Jinja2.

    Args:
        folder: of the package's templates.
        name: of the file in it.
        values: what it may name.

    Raises:
        TemplateRefused: as `render`.
    """
    kept = _Kept()
    made = _files(folder).overlay(finalize=kept.keep).get_template(name)
    return _finished(_told(lambda: made.render(**values)), kept)


@cache
def _files(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, _BASE]), undefined=StrictUndefined, autoescape=True
    )


def _told(fill: Callable[[], str]) -> str:
    """Tell every failure of a template as a refusal."""
    try:
        return fill()
    except template_rules.Misused as error:
        raise TemplateRefused(error.message, error.line) from error
    except TemplateSyntaxError as error:
        raise TemplateRefused(error.message or "is malformed", error.lineno) from error
    except RecursionError as error:
        raise TemplateRefused("is nested too deep") from error
    except _AMISS as error:
        raise TemplateRefused(str(error)[:300] or "is malformed", _line_of(error)) from error
    except SyntaxError as error:  # what Jinja2 compiles has limits of Python's own
        raise TemplateRefused("is nested too deep") from error


def _line_of(error: BaseException) -> int | None:
    """Return the line of the template: Jinja2 rewrites tracebacks to it."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _finished(mjml: str, kept: _Kept) -> Rendered:
    mjml = storable(mjml)
    if problem := nesting_problem(mjml):
        raise TemplateRefused(problem)
    if mjml.count("<") > 2 * MAX_ELEMENTS or mjml.count("{") > MAX_RULES:
        raise TemplateRefused(f"has more than {MAX_ELEMENTS:,} elements or {MAX_RULES} rules")
    html = kept.put_back(_from_mjml(mjml))
    if len(html) > MAX_OUTPUT:
        raise _too_large()
    if problem := nesting_problem(html):
        raise TemplateRefused(problem)
    html = css_inline.CSSInliner(
        keep_at_rules=True, load_remote_stylesheets=False, keep_link_tags=True
    ).inline(html)
    if len(html) > MAX_OUTPUT:
        raise _too_large()
    return Rendered(html, plain_text(html))


def _from_mjml(mjml: str) -> str:
    options = mrml.ParserOptions(include_loader=mrml.noop_loader())  # nothing is included
    # By default it has some fonts fetched from elsewhere, which tells there who reads.
    try:
        return mrml.to_html(mjml, options, mrml.RenderOptions(fonts={})).content
    except OSError as error:  # what it raises for whatever is not MJML
        found = _POSITION.search(str(error))
        position = int(found[1]) if found and found[1] else None
        line = None if position is None else mjml.count("\n", 0, position) + 1
        words = _POSITION.sub("", str(error))
        raise TemplateRefused(f"the MJML that it makes is malformed: {words}", line) from error


def _too_large() -> TemplateRefused:
    return TemplateRefused(f"makes a mail of more than {MAX_OUTPUT:,} characters")
