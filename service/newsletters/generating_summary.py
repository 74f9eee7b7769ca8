"""A newsletter of nothing but its sources' own sentences."""

from collections.abc import Sequence

from service.newsletters import summarising
from service.newsletters.generating_markdown import escaped, in_one_line, link
from service.newsletters.generating_rules import LONGEST_CONTENT, LONGEST_SUBJECT, Draft
from service.newsletters.generating_styles import style_of
from service.newsletters.summarising import Excerpt
from service.providers.sources.contract import Source

SHOWN_TOPIC = 80
"""Characters of a topic that a subject begins with."""
MADE_BY = "*Put together from sentences of the articles themselves; no language model wrote it.*"


def summarised(topic: str, style: str, sources: Sequence[Source]) -> Draft:
    """Write a newsletter about a topic from sources, of which there is at least one.

    It links each article, says what it is made of, and names every source.
    """
    form = style_of(style)
    origins = {article: source for source in reversed(sources) for article in source.articles}
    articles = [article for source in sources for article in source.articles]
    chosen, about_topic = summarising.choose(articles, topic, form.articles)
    found = [summarising.excerpt(article, topic, form.sentences) for article in chosen]
    topic = in_one_line(topic)
    parts = [form.greeting + _introduction(topic, len(found), about_topic=about_topic)]
    for one in found:
        parts.append(_told(one, origins[one.article], names=len(sources) > 1))
    used = [source for source in sources if any(origins[a] is source for a in chosen)]
    names = "\n".join(f"- {link(source.title, source.url)}" for source in used)
    ending = f"---\n\n**Sources**\n\n{names}\n\n{MADE_BY}"
    room = LONGEST_CONTENT - len(ending) - 2
    while len(parts) > 2 and len("\n\n".join(parts)) > room:
        parts.pop()
    return Draft(_subject(topic, chosen[0].title), "\n\n".join([*parts, ending]))


def _introduction(topic: str, count: int, *, about_topic: bool) -> str:
    shown = f"**{escaped(topic)}**"
    if not about_topic:
        articles = "the newest article" if count == 1 else f"the {count} newest articles"
        return f"None of the sources mentions {shown}; here is what they have: {articles}."
    return f"{'One article' if count == 1 else f'{count} articles'} about {shown}."


def _told(found: Excerpt, source: Source, *, names: bool) -> str:
    article = found.article
    lines = [f"### {link(article.title, article.url)}"]
    day = f"{article.published:%d %B %Y}".lstrip("0") if article.published else ""
    if about := " · ".join(filter(None, (escaped(source.title) if names else "", day))):
        lines.append(f"*{about}*")
    if found.sentences:
        lines.append(escaped(" ".join(found.sentences)))
    return "\n\n".join(lines)


def _subject(topic: str, title: str) -> str:
    """Return `Topic: the first article`, in one line."""
    shown = topic if len(topic) <= SHOWN_TOPIC else topic[: SHOWN_TOPIC - 1].rstrip() + "…"
    subject = f"{shown[:1].upper()}{shown[1:]}: {in_one_line(title)}"
    if len(subject) <= LONGEST_SUBJECT:
        return subject
    return subject[: LONGEST_SUBJECT - 1].rstrip() + "…"
