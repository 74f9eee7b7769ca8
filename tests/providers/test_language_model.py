"""A language model's answers and all the ways in which it gives none."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import msgspec
import pytest
import pytest_asyncio

from service.kit.outbound import AnswerLost, Outbound
from service.providers import language_model_failures as failures
from service.providers.language_model import LanguageModel, Message, schema_of
from tests.servers.faults import Fault
from tests.servers.model import DRAFT, KEY, ModelServer, error

pytestmark = pytest.mark.asyncio
PATH = "/v1/chat/completions"
ASKED: list[Message] = [{"role": "user", "content": "Write about the sun"}]


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """What is wanted."""

    subject: Annotated[str, msgspec.Meta(max_length=40)]
    content: str


@pytest.fixture(scope="module")
def running() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(running: ModelServer) -> Iterator[ModelServer]:
    """A server with one model; nobody breaks its rules."""
    running.reset()
    yield running
    assert running.violations == []


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with Outbound(["127.0.0.1"]) as opened:
        yield opened


@pytest.fixture
def model(server: ModelServer, outbound: Outbound) -> LanguageModel:
    return LanguageModel(outbound, server.base, KEY, server.model, patience=5.0)


async def refused(model: LanguageModel) -> failures.ModelFailed:
    """Ask, and return why there is no answer; the key is in no text of it."""
    with pytest.raises(failures.ModelFailed) as caught:
        await model.complete(ASKED, max_tokens=100)
    for text in (str(caught.value), repr(caught.value), repr(model)):
        assert KEY not in text
    return caught.value


async def test_a_conversation_goes_on(model: LanguageModel, server: ModelServer) -> None:
    """T001: what is sent is what the documentation knows; text, end and tokens come back."""
    server.answers = ["The sun shines."]
    found = await model.complete(ASKED, max_tokens=100)
    assert (found.text, found.finish, found.tokens) == ("The sun shines.", "stop", 120)
    assert server.asked == [{"model": "gpt-4o-mini", "messages": ASKED, "max_tokens": 100}]
    server.finish = "length"
    assert (await model.complete(ASKED, max_tokens=100)).finish == "length"


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (429, error("Slow", "requests", "rate_limit_exceeded"), failures.RateLimited, "429"),
        (
            429,
            error("No credit", "insufficient_quota", "insufficient_quota"),
            failures.QuotaExceeded,
            "No credit; the account needs credit",
        ),
        (429, error("No", "insufficient_quota", None), failures.QuotaExceeded, "needs credit"),
        (402, {"error": "Insufficient Balance"}, failures.QuotaExceeded, "Insufficient Balance"),
        (401, error(f"Bad key {KEY}", "x", None), failures.KeyRefused, "see OPENAI_API_KEY"),
        (403, {}, failures.KeyRefused, "see OPENAI_API_KEY"),
        (404, error("No model", "x", "model_not_found"), failures.Refused, "set ALMANAC_MODEL"),
        (404, {"detail": "Not Found"}, failures.Refused, "does OPENAI_BASE_URL end with"),
        (400, error("Long", "x", "context_length_exceeded"), failures.Refused, "less text"),
        (413, {}, failures.Refused, "less text"),
        (400, error("Filtered", "x", "content_filter"), failures.Refused, "content filter"),
        (400, error(f"Odd {KEY}", "x", None), failures.Refused, "Odd ***"),
        (301, {}, failures.Refused, "OPENAI_BASE_URL"),
        (500, error("Oops", "server_error", None), failures.Unavailable, "status 500: Oops"),
        (503, {}, failures.Unavailable, "status 503"),
        (408, {}, failures.Unavailable, "status 408"),
    ],
)
async def test_each_refusal_has_its_kind(
    model: LanguageModel,
    server: ModelServer,
    *,
    status: int,
    body: dict[str, Any],
    kind: type[Exception],
    says: str,
) -> None:
    """T083: quota and keys are permanent, rates and failures are not; texts say what to do."""
    server.fail(Fault(PATH, status, body))
    found = await refused(model)
    assert type(found) is kind
    assert says in found.message
    assert "The language model at 127.0.0.1:" in found.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "999999"}, 3600.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"x-ratelimit-reset-requests": "1m30.5s", "x-ratelimit-reset-tokens": "20ms"}, 90.5),
        ({"x-ratelimit-reset-tokens": "next week"}, None),
        ({}, None),
    ],
)
async def test_a_rate_limit_says_how_long(
    model: LanguageModel, server: ModelServer, headers: dict[str, str], seconds: float | None
) -> None:
    """T052: the wait that a server asks for outranks ours, up to an hour."""
    body = error("Slow down", "requests", "rate_limit_exceeded")
    server.fail(Fault(PATH, 429, body, headers))
    found = await refused(model)
    assert isinstance(found, failures.RateLimited)
    assert found.retry_after == seconds


async def test_a_server_that_is_slow_lost_or_away(
    model: LanguageModel, server: ModelServer, outbound: Outbound
) -> None:
    """T083: too slow, broken off, nobody there: the same may be asked again."""
    server.fail(Fault(PATH, delay=2.0))
    hasty = LanguageModel(outbound, server.base, KEY, server.model, patience=0.2)
    assert "no whole answer within 0.2 s" in (await refused(hasty)).message
    server.fail(Fault(PATH, lost=True))
    assert isinstance(await refused(model), failures.Unavailable)
    nobody = LanguageModel(outbound, "http://127.0.0.1:1/v1", KEY, "m", patience=5.0)
    assert isinstance(await refused(nobody), failures.Unavailable)


async def test_a_server_that_thinks(server: ModelServer, outbound: Outbound) -> None:
    """A model may be silent for longer than other servers: for as long as the caller says."""
    server.fail(Fault(PATH, delay=1.0))
    with pytest.raises(AnswerLost, match="the server stopped answering"):
        await outbound.request("POST", f"{server.base}/chat/completions", silence=0.1)


async def test_addresses_that_cannot_be_asked(server: ModelServer) -> None:
    """A private address must be listed, as for platforms; what is no URL is told so."""
    async with Outbound() as strict:
        for url, says in ((server.base, "ALMANAC_ALLOWED_PRIVATE_HOSTS"), ("nowhere", "The URL")):
            found = await refused(LanguageModel(strict, url, KEY, "m", patience=5.0))
            assert isinstance(found, failures.Refused)
            assert says in found.message
            assert "See OPENAI_BASE_URL" in found.message
    assert server.calls == []


async def test_answers_that_are_none(model: LanguageModel, server: ModelServer) -> None:
    """A page of a proxy, no choices, a refusal, a filter: permanent, with the reason."""
    bodies: tuple[dict[str, Any], ...] = ({"choices": []}, {"page": "html"})
    for body in bodies:
        server.fail(Fault(PATH, 200, body))
        assert "no answer of a chat" in (await refused(model)).message
    server.refusal = "I cannot help with that."
    found = await refused(model)
    assert "I cannot help with that." in found.message
    server.refusal, server.finish = None, "content_filter"
    found = await refused(model)
    assert isinstance(found, failures.Refused)
    assert "content filter" in found.message


@pytest.mark.parametrize(
    "answer",
    [
        DRAFT,
        f"```json\n{DRAFT}\n```",
        f"\n```\n{DRAFT}```\n",
        f"<think>Hm, {{ what }} now?</think>\n{DRAFT}",
    ],
)
async def test_json_alone_or_in_a_block(
    model: LanguageModel, server: ModelServer, answer: str
) -> None:
    """T001: the schema is sent; the answer is read strictly, alone or in a fenced block."""
    server.answers = [answer]
    found = await model.answer(ASKED, Draft, max_tokens=100)
    assert found == Draft("The sun at work", "Panels **pay off**.")
    (asked,) = server.asked
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema == schema_of(Draft)
    assert (schema["type"], schema["required"]) == ("object", ["subject", "content"])


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("Certainly! Here it is.", "not the JSON"),
        (f"Here: {DRAFT}", "not the JSON"),
        (json.dumps({"subject": "x" * 41, "content": "y"}), "length <= 40"),
        (json.dumps({"subject": "x"}), "missing required field `content`"),
        (json.dumps({"subject": "x", "content": "y", "note": "z"}), "unknown field `note`"),
        ("", "not the JSON"),
    ],
)
async def test_one_repair(
    model: LanguageModel, server: ModelServer, bad: str, problem: str
) -> None:
    """T083: the model is told once what is wrong; a second bad answer fails, with the reason."""
    server.answers = [bad, DRAFT]
    assert (await model.answer(ASKED, Draft, max_tokens=100)).subject == "The sun at work"
    told = server.asked[1]["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"] == bad
    assert problem in told[2]["content"]
    server.answers = [bad, bad]
    with pytest.raises(failures.BadAnswer, match="twice no answer of the form") as caught:
        await model.answer(ASKED, Draft, max_tokens=100)
    assert problem in caught.value.message
    assert len(server.asked) == 4


async def test_an_answer_that_was_cut_off(model: LanguageModel, server: ModelServer) -> None:
    """finish_reason length: half an answer is never used, whatever it looks like."""
    server.finish = "length"
    with pytest.raises(failures.BadAnswer, match="cut off because it is too long"):
        await model.answer(ASKED, Draft, max_tokens=100)
    assert len(server.asked) == 2


async def test_servers_that_know_less_or_newer_names(
    model: LanguageModel, server: ModelServer
) -> None:
    """A server without schemas, and a model with another name for the limit, are served too."""
    server.knows_schemas = False
    server.newer = True
    assert (await model.answer(ASKED, Draft, max_tokens=100)).subject == "The sun at work"
    (asked,) = server.asked
    assert set(asked) == {"model", "messages", "max_completion_tokens"}
    assert len(server.calls) == 3


async def test_a_server_without_keys(server: ModelServer, outbound: Outbound) -> None:
    """A server of one's own may need none: then none is sent; one that does says what to set."""
    model = LanguageModel(outbound, server.base, None, server.model, patience=5.0)
    with pytest.raises(failures.KeyRefused, match="it wants a key; see OPENAI_API_KEY"):
        await model.complete(ASKED, max_tokens=100)
