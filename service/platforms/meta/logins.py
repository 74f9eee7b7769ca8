"""What logging in at Instagram and at Threads has in common: a code for a token, that for another.

Their documentation describes the same three calls with other names; there is no PKCE.
"""

from collections.abc import Mapping

import msgspec

from service.kit.outbound import Answer, Outbound
from service.platforms import http
from service.platforms.failures import AuthFailed, PlatformError
from service.platforms.http import Step, decode
from service.platforms.meta.graph import Graph, graph_error
from service.platforms.setup import App
from service.platforms.tokens import TokenAnswer


class _CodeError(msgspec.Struct):
    error_message: str = ""


def code_form(app: App, redirect_uri: str, code: str) -> dict[str, str]:
    """Return what turns the code of a login into a token of an hour."""
    return {
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "grant_type": "authorization_code",
        "redirect_uri": redirect_uri,
        # Both append these two characters, which are not of the code.
        "code": code.removesuffix("#_"),
    }


async def exchange_code(
    outbound: Outbound, step: Step, url: str, form: Mapping[str, str]
) -> Answer:
    """Send the form; return the answer that holds the token.

    Raises:
        PlatformError: there is none.
    """
    answer = await http.send(outbound, step, "POST", url, data=form)
    if not answer.is_success:
        raise _refused(step, answer)
    return answer


async def exchange_token(
    outbound: Outbound, platform: str, action: str, url: str, params: Mapping[str, str]
) -> TokenAnswer:
    """Turn a token into a longer one. The old one stands in the query: nothing else is documented.

    Raises:
        PlatformError: there is none.
    """
    secrets = (params["access_token"], params.get("client_secret", ""))
    step = Step(platform, action, deadline=20, secrets=secrets)
    answer = await Graph(outbound, "").call(step, "GET", url, params=params)
    return decode(step, answer, TokenAnswer)


def _refused(step: Step, answer: Answer) -> PlatformError:
    """Return why no token was given; errors of codes have a form of their own."""
    if answer.status >= 500 or answer.status == 429 or graph_error(answer) is not None:
        return http.failure(step, answer)
    try:
        text = msgspec.json.decode(answer.body, type=_CodeError).error_message
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = ""
    return AuthFailed(step.says(f"status {answer.status}: {text or http.message(answer)}"))
