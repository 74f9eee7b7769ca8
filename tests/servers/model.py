"""An OpenAI-compatible server: chat completions, as the documentation states them and no more.

https://platform.openai.com/docs/api-reference/chat/create, errors as its guide to error codes.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, PlatformServer, Refusal

KEY = "sk-test-0123456789abcdef0123456789"
FIELDS = frozenset(
    ("model", "messages", "max_tokens", "max_completion_tokens", "response_format", "temperature")
)
ROLES = frozenset({"system", "user", "assistant"})
Body = dict[str, Any]
Answer = str | Callable[[Body], str]
DRAFT = json.dumps({"subject": "The sun at work", "content": "Panels **pay off**."})


def error(message: str, type_: str, code: str | None, param: str | None = None) -> Body:
    """Return an error's body."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


class ModelServer(PlatformServer):
    """One key, one model, and the answers that a test gives it; without any, always DRAFT."""

    model = "gpt-4o-mini"
    context = 100_000
    """Characters of all messages that the model takes."""

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """See `PlatformServer`."""
        return [("POST", "/v1/chat/completions", self._complete)]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """What was asked, oldest first."""
        return self.asked

    @property
    def base(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"{self.url}/v1"

    def reset(self) -> None:
        """See `PlatformServer`."""
        super().reset()
        self.asked: list[Body] = []
        self.answers: list[Answer] = []
        self.finish = "stop"
        self.refusal: str | None = None
        self.knows_schemas = True
        self.newer = False
        """Whether the model takes `max_completion_tokens` only, as OpenAI's newer ones."""

    async def _complete(self, request: Request) -> Response:
        self._authorize(request)
        body: Body = await request.json()
        self._check(body)
        self.asked.append(body)
        answer = self.answers.pop(0) if self.answers else DRAFT
        text = answer if isinstance(answer, str) else answer(body)
        message = {"role": "assistant", "content": text, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": None}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        return JSONResponse(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": self.model,
                "choices": [choice],
                "usage": usage,
            }
        )

    def _authorize(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if given != f"Bearer {KEY}":
            told = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
            raise Refusal(401, error(told, "invalid_request_error", "invalid_api_key"))

    def _check(self, body: Body) -> None:
        kind = "invalid_request_error"
        for name in body.keys() - FIELDS:
            self.violation(f"{name} is no documented field")
            raise Refusal(400, error(f"Unrecognized request argument: {name}", kind, None, name))
        if body.get("model") != self.model:
            told = f"The model `{body.get('model')}` does not exist or you do not have access to it"
            raise Refusal(404, error(told, kind, "model_not_found"))
        if self.newer and "max_tokens" in body:
            told = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
            raise Refusal(400, error(told, kind, "unsupported_parameter", "max_tokens"))
        self._check_messages(body)
        self._check_form(body)

    def _check_messages(self, body: Body) -> None:
        messages = body.get("messages")
        if not messages or any(
            set(message) != {"role", "content"} or message["role"] not in ROLES
            for message in messages
        ):
            self.violation(f"messages are not as documented: {messages}")
            raise Refusal(400, error("Invalid messages", "invalid_request_error", None, "messages"))
        if sum(len(message["content"]) for message in messages) > self.context:
            told = "This model's maximum context length is 25000 tokens."
            kind = "invalid_request_error"
            raise Refusal(400, error(told, kind, "context_length_exceeded", "messages"))

    def _check_form(self, body: Body) -> None:
        form = body.get("response_format")
        if form is None:
            return
        if not self.knows_schemas:
            told = "Invalid parameter: 'response_format' of type 'json_schema' is not supported"
            kind = "invalid_request_error"
            raise Refusal(400, error(told, kind, None, "response_format"))
        schema = form.get("json_schema", {}).get("schema", {})
        if form.get("type") != "json_schema" or schema.get("type") != "object":
            self.violation(f"response_format is not as documented: {form}")
            told = "Invalid schema for response_format"
            raise Refusal(400, error(told, "invalid_request_error", None, "response_format"))
