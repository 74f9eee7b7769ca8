"""A language model behind any server with OpenAI's chat completions.

Documented at https://platform.openai.com/docs/api-reference/chat. Servers differ in what they know
of it: one that refuses `response_format` or `max_tokens` is asked again without the one, or with
the other's present name, before that counts as a failure.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypedDict, TypeVar

import msgspec

from service.kit.outbound import Answer, AnswerLost, NotSent, Outbound, OutboundRefused
from service.kit.redaction import redact
from service.providers.language_model_failures import (
    BadAnswer,
    KeyRefused,
    ModelFailed,
    QuotaExceeded,
    RateLimited,
    Refused,
    Unavailable,
)
from service.providers.waiting import asked_wait

T = TypeVar("T")

OPENAI = "https://api.openai.com/v1"
MOST_BYTES = 4 * 2**20
"""Of an answer."""
QUOTED = 300
"""Characters of a server's own words that an error repeats."""
NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
LATER = frozenset({408, 409, 425})
_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
"""What models that reason aloud put before their answer."""


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model said."""

    text: str
    finish: str
    """Why it ended: `stop`, or `length` when it was cut off at `max_tokens`."""
    tokens: int
    """Of question and answer, as the server counts them; 0: it does not."""


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    total_tokens: int = 0


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model at a server.

    Args:
        outbound: calls the server.
        url: of its API, with the version: `https://api.openai.com/v1`.
        key: None for a server that wants none.
        name: of the model there.
        patience: seconds that one answer may take.
    """

    outbound: Outbound
    url: str
    key: str | None = field(repr=False)
    name: str
    patience: float

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        json_schema: Mapping[str, Any] | None = None,
        max_tokens: int,
    ) -> Completion:
        """Let the model go on with a conversation.

        Args:
            messages: the conversation, oldest first.
            json_schema: what the answer is to look like; a server may disregard it.
            max_tokens: of the answer, at most.

        Raises:
            ModelFailed: one of its kinds, none of which has the key in its text.
        """
        body: dict[str, Any] = {
            "model": self.name,
            "messages": list(messages),
            "max_tokens": max_tokens,
        }
        if json_schema is not None:
            form = {"name": "answer", "schema": json_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        answer = await self._post(body)
        while answer.status == HTTPStatus.BAD_REQUEST and _adapt(body, answer):
            answer = await self._post(body)
        if not answer.is_success:
            raise self._failure(answer)
        return self._completion(answer)

    async def answer(
        self,
        messages: Sequence[Message],
        kind: type[T],
        *,
        max_tokens: int,
        check: Callable[[T], T] | None = None,
    ) -> T:
        """Let the model answer as JSON of a form; it is told once what is wrong with its answer.

        Args:
            messages: the conversation; it should say what is wanted, too.
            kind: a msgspec.Struct.
            max_tokens: of the answer, at most.
            check: returns what becomes of the answer; raises ValueError, in words for the model.

        Raises:
            BadAnswer: neither the first answer nor the second is of that form.
            ModelFailed: see `complete`.
        """
        asked = list(messages)
        schema = schema_of(kind)
        problem = ""
        for _ in range(2):
            said = await self.complete(asked, json_schema=schema, max_tokens=max_tokens)
            try:
                found = _read(said, kind)
                return check(found) if check else found
            except ValueError as error:
                problem = str(error)
            asked += [
                {"role": "assistant", "content": said.text},
                {
                    "role": "user",
                    "content": f"That answer cannot be used: {problem}. Give the whole answer "
                    f"again, as one JSON object of this schema: {json.dumps(schema)}",
                },
            ]
        raise BadAnswer(self._says(f"twice no answer of the form that was asked for: {problem}"))

    async def _post(self, body: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            return await self.outbound.request(
                "POST",
                f"{self.url.rstrip('/')}/chat/completions",
                headers=headers,
                json=body,
                deadline=self.patience,
                silence=self.patience,
                max_answer=MOST_BYTES,
            )
        except OutboundRefused as error:
            raise Refused(self._says(f"{error.message} See OPENAI_BASE_URL.")) from error
        except (NotSent, AnswerLost) as error:
            raise Unavailable(self._says(error.message)) from error

    def _completion(self, answer: Answer) -> Completion:
        try:
            reply = msgspec.json.decode(answer.body, type=_Reply)
            choice = reply.choices[0]
        except (ValueError, IndexError) as error:
            raise Refused(
                self._says(f"that is no answer of a chat: {error}; see OPENAI_BASE_URL")
            ) from error
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            why = choice.message.refusal or "its content filter ended the answer"
            raise Refused(self._says(f"it will not write this: {_cut(why)}; change what is asked"))
        tokens = reply.usage.total_tokens if reply.usage else 0
        return Completion(choice.message.content or "", choice.finish_reason or "stop", tokens)

    def _failure(self, answer: Answer) -> ModelFailed:
        """Return what an answer that is no success means."""
        status, (code, words) = answer.status, _error(answer)
        text = f"status {status}: {_cut(words)}"
        if status in {401, 403}:
            why = "the key is refused" if self.key else "it wants a key"
            return KeyRefused(self._says(f"status {status}: {why}; see OPENAI_API_KEY"))
        if status == HTTPStatus.PAYMENT_REQUIRED or code in NO_CREDIT:
            return QuotaExceeded(self._says(f"{text}; the account needs credit"))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(self._says(text), asked_wait(answer.headers))
        if status >= 500 or status in LATER:
            return Unavailable(self._says(text), asked_wait(answer.headers))
        return Refused(self._says(f"{text}; {self._advice(status, code)}"))

    def _advice(self, status: int, code: str) -> str:
        if code == "context_length_exceeded" or status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "give it less text, or set ALMANAC_MODEL to a model that takes more"
        if code == "model_not_found":
            return f"there is no model '{self.name}' for this key: set ALMANAC_MODEL"
        if code == "content_filter":
            return "its content filter refuses the text: change what is asked"
        if status == HTTPStatus.NOT_FOUND or status < 400:
            return (
                f"is the model '{self.name}' there (ALMANAC_MODEL), and does OPENAI_BASE_URL end "
                "with the API's version, such as /v1?"
            )
        return "the same request would be refused again"

    def _says(self, text: str) -> str:
        """Return an error's text, which never has the key."""
        place = self.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        told = f"The language model at {place}: {text}"
        return redact(told.replace(self.key, "***") if self.key else told)


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON schema of a msgspec.Struct, with the object itself at its root."""
    _, parts = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    root = parts.pop(kind.__name__)
    return {**root, "$defs": parts} if parts else root


def _adapt(body: dict[str, Any], answer: Answer) -> bool:
    """Take out of a request what this server does not know; return whether it is worth a repeat."""
    told = answer.body[:10_000].decode("utf-8", "replace")
    if "response_format" in body and ("response_format" in told or "json_schema" in told):
        del body["response_format"]
        return True
    if "max_tokens" in body and "max_completion_tokens" in told:
        body["max_completion_tokens"] = body.pop("max_tokens")
        return True
    return False


def _read(said: Completion, kind: type[T]) -> T:
    """Read an answer as JSON, alone or in a fenced block; raise ValueError for anything else."""
    if said.finish == "length":
        raise ValueError("it was cut off because it is too long; make it much shorter")
    text = _THOUGHTS.sub("", said.text, count=1).strip()
    if fenced := _FENCED.fullmatch(text):
        text = fenced[1]
    try:
        return msgspec.json.decode(text, type=kind)
    except ValueError as error:
        raise ValueError(f"it is not the JSON that was asked for: {error}") from error


def _error(answer: Answer) -> tuple[str, str]:
    """Return code and words of an error: `{"error": {"message", "type", "code"}}`, or a text."""
    try:
        value = answer.json()
    except ValueError:
        value = None
    error = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(error, str):
        return "", error
    if not isinstance(error, dict):
        return "", answer.body[: 4 * QUOTED].decode("utf-8", "replace").strip() or "no reason given"
    known = (error.get("code"), error.get("type"))
    code = next((word for word in known if isinstance(word, str) and word), "")
    if known[1] in NO_CREDIT:
        code = known[1]
    words = error.get("message")
    return code, words if isinstance(words, str) and words else "no reason given"


def _cut(text: str) -> str:
    return text if len(text) <= QUOTED else text[:QUOTED] + "…"
