"""Summaries made of the sentences of their articles, without a language model.

Sentences are weighed as LexRank does (Erkan and Radev 2004, "LexRank: Graph-based Lexical
Centrality as Salience in Text Summarization", JAIR 22): each as far as those like it are weighty,
by the cosine of their words' tf-idf. Among them are chosen those that say most and repeat least:
maximal marginal relevance (Carbonell and Goldstein 1998, SIGIR). Nothing depends on a language but
where its sentences end; the same input gives the same text.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import regex

from service.providers.sources.contract import Article

MOST_SENTENCES = 60
"""Of one article that are weighed, the first."""
SHORTEST, LONGEST = 25, 400
"""Characters of a sentence that is worth to be repeated."""
DAMPING = 0.85
ROUNDS = 40
RELEVANCE = 0.7
"""Against 1 - RELEVANCE for being unlike what is chosen already."""
FOR_TOPIC = 1.0
"""How much the words of the topic raise the weight of a sentence that is all about it."""
FOR_PLACE = 0.5
"""How much standing first raises it (Edmundson 1969, "New Methods in Automatic Extracting")."""
TELLING = 4
"""Letters of a word of a topic that tells anything."""

_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}]+")
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
# The stops of Chinese and Japanese end by themselves; others before a space and no small letter.
_END = regex.compile(
    r"(?:[。！？｡]+[」』”’）)]*|(?:[.!?…؟۔।॥]+[\"'”’»)\]]*)(?=\s+(?![\s\p{Ll}])))\s*|\n+"  # noqa: RUF001
)
_ABBREVIATION = regex.compile(
    r"(?:^|[\s(])(?:\p{L}|\p{L}\.\p{L}|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|e\.g|i\.e|cf|ca|approx|Inc"
    r"|Ltd|Co|Jr|Sr|U\.S|z\.B|bzw|al)\.$",
    regex.IGNORECASE,
)
Words = Counter[str]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What an article comes to."""

    article: Article
    sentences: tuple[str, ...]
    """In their order; none where the article has only a title."""


def split(text: str) -> list[str]:
    """Return the sentences of a text, of whatever script, each in one line."""
    found: list[str] = []
    begin = 0
    for end in _END.finditer(text):
        piece = text[begin : end.end()]
        if "\n" not in end[0] and _ABBREVIATION.search(piece.rstrip()[-12:]):
            continue
        found.append(" ".join(piece.split()))
        begin = end.end()
    found.append(" ".join(text[begin:].split()))
    return [sentence for sentence in found if sentence]


def words(text: str) -> Words:
    """Count the words of a text; scripts without spaces give pairs of neighbours."""
    found = [match[0] for match in _WORD.finditer(text.casefold())]
    counted: Words = Counter()
    for i, word in enumerate(found):
        if not _UNSPACED.match(word):
            counted[word] += 1
        elif i + 1 < len(found) and _UNSPACED.match(found[i + 1]):
            counted[word + found[i + 1]] += 1
    return counted


def choose(articles: Sequence[Article], topic: str, most: int) -> tuple[list[Article], bool]:
    """Return the articles that are about a topic, those with most of its words first.

    About it is what has at least a third as much of it as the best; rare words are more. Where
    no article has any, the first ones are returned, and False with them. Articles with one title
    count once.
    """
    different = list({article.title.casefold(): article for article in reversed(articles)}.values())
    different.reverse()
    counts = [words(f"{article.title} {article.text}") for article in different]
    rarity = _rarity(counts)
    wanted = _telling(words(topic))
    total = sum(rarity.get(word, 1.0) for word in wanted) or 1.0
    shares = [sum(rarity[word] for word in wanted if word in counted) / total for counted in counts]
    order = sorted(range(len(different)), key=lambda i: (-shares[i], i))
    enough = max(shares, default=0.0) / 3
    relevant = [different[i] for i in order if shares[i] >= enough > 0]
    return (relevant or different)[:most], bool(relevant)


def _telling(counted: Words) -> list[str]:
    """Leave out the short words of a topic, unless it has no others: most are grammar."""
    long = [word for word in counted if len(word) >= TELLING or _UNSPACED.match(word)]
    return long or list(counted)


def excerpt(article: Article, topic: str, most: int) -> Excerpt:
    """Return the sentences that say most of an article, in their order.

    Args:
        article: with its text.
        topic: raises the sentences that have its words.
        most: sentences.
    """
    title = words(article.title)
    sentences = [
        sentence
        for sentence in dict.fromkeys(split(article.text)[:MOST_SENTENCES])
        if SHORTEST <= len(sentence) <= LONGEST and words(sentence) != title
    ]
    if not sentences:
        return Excerpt(article, tuple(split(article.text)[:1]) if _fits(article) else ())
    vectors = _vectors([words(sentence) for sentence in sentences])
    alike = [[_cosine(one, other) for other in vectors] for one in vectors]
    weights = _central(alike)
    about = set(_telling(words(topic)))
    for i, sentence in enumerate(sentences):
        shared = len(about & words(sentence).keys()) / (len(about) or 1)
        weights[i] *= (1 + FOR_TOPIC * shared) * (1 + FOR_PLACE / (1 + i))
    chosen = _least_repeating(weights, alike, most)
    return Excerpt(article, tuple(sentences[i] for i in sorted(chosen)))


def _fits(article: Article) -> bool:
    first = next(iter(split(article.text)), "")
    return 0 < len(first) <= LONGEST and words(first) != words(article.title)


def _rarity(counts: Sequence[Words]) -> dict[str, float]:
    """Return the inverse document frequency of each word."""
    containing = Counter(word for counted in counts for word in counted)
    return {word: 1 + math.log(len(counts) / number) for word, number in containing.items()}


def _vectors(counts: Sequence[Words]) -> list[dict[str, float]]:
    """Return tf-idf vectors of length 1."""
    rarity = _rarity(counts)
    vectors = []
    for counted in counts:
        vector = {word: number * rarity[word] for word, number in counted.items()}
        length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        vectors.append({word: value / length for word, value in vector.items()})
    return vectors


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(value * other[word] for word, value in one.items() if word in other)


def _central(alike: Sequence[Sequence[float]]) -> list[float]:
    """Return the weight of each sentence: the stationary walk over the graph of likeness."""
    size = len(alike)
    sums = [sum(row) or 1.0 for row in alike]
    weights = [1 / size] * size
    for _ in range(ROUNDS):
        weights = [
            (1 - DAMPING) / size
            + DAMPING * sum(weights[j] * alike[j][i] / sums[j] for j in range(size))
            for i in range(size)
        ]
    return weights


def _least_repeating(
    weights: Sequence[float], alike: Sequence[Sequence[float]], most: int
) -> list[int]:
    """Return the indices that maximal marginal relevance chooses, earlier sentences on a draw."""
    heaviest = max(weights)
    left = list(range(len(weights)))
    chosen: list[int] = []
    while left and len(chosen) < most:

        def gain(i: int) -> tuple[float, int]:
            repeats = max((alike[i][j] for j in chosen), default=0.0)
            return RELEVANCE * weights[i] / heaviest - (1 - RELEVANCE) * repeats, -i

        best = max(left, key=gain)
        left.remove(best)
        chosen.append(best)
    return chosen
