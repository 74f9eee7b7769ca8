"""How newsletters are written: any style is a word for the model, these mean more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """The form of a newsletter.

    Attributes:
        articles: that a summary tells of, at most.
        sentences: of each, at most.
        words: that the model is to write, about.
        manner: for the model, how to write.
        greeting: begins a summary; may be empty.
    """

    articles: int
    sentences: int
    words: int
    manner: str
    greeting: str = ""


CONCISE = Style(5, 1, 200, "short and to the point: one or two sentences for each subject")
STYLES = {
    "concise": CONCISE,
    "professional": Style(
        6, 2, 400, "factual and polite, for people at work, without exclamations"
    ),
    "friendly": Style(5, 2, 350, "warm and plain, as to somebody one knows", "Hello! "),
    "detailed": Style(8, 3, 800, "thorough, with the facts and figures that the material gives"),
}


def style_of(name: str) -> Style:
    """Return what a style's name means; one that is not known is for the model alone."""
    known = STYLES.get(name.strip().lower())
    if known is not None:
        return known
    return Style(CONCISE.articles, CONCISE.sentences, 300, f"in this style: {name.strip()}")
