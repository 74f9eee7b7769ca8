"""HTTP of logins in a browser, for programs; people have the pages of the dashboard."""

from fastapi import APIRouter

from service.accounts import authorizing, schemas
from service.accounts.authorization_actions import Goal
from service.accounts.authorizing import Choice
from service.errors import InvalidInput, Problem
from service.web import Opened, SettingsWriter

router = APIRouter(prefix="/accounts/authorize")


@router.post("")
async def authorize(
    body: schemas.AuthorizeIn, caller: SettingsWriter, runtime: Opened
) -> schemas.AuthorizeOut:
    """Begin a login in a browser: the reply says where the person goes on."""
    if body.account_id is None and not body.platform:
        raise InvalidInput([Problem("platform", "is needed, or account_id")])
    goal = Goal(body.platform or "", body.base_url or "", body.account_id)
    begun = await authorizing.begin(runtime, caller, goal)
    return schemas.AuthorizeOut(
        authorize_url=begun.url, state=begun.state, expires_at=begun.expires_at
    )


@router.post("/finish")
async def finish(
    body: schemas.FinishIn, caller: SettingsWriter, runtime: Opened
) -> schemas.ConnectedOut:
    """Turn the code that came back into accounts; of several, choose next."""
    finished = await authorizing.finish(runtime, caller, body.state, body.code)
    return schemas.ConnectedOut(
        accounts=[schemas.AccountOut.model_validate(each) for each in finished.accounts],
        choices=[_choice(each) for each in finished.choices],
    )


@router.post("/choose")
async def choose(
    body: schemas.ChooseIn, caller: SettingsWriter, runtime: Opened
) -> schemas.ConnectedOut:
    """Connect some of the accounts that a login opened; the others are forgotten."""
    accounts = await authorizing.choose(runtime, caller, body.state, body.choices)
    shown = [schemas.AccountOut.model_validate(each) for each in accounts]
    return schemas.ConnectedOut(accounts=shown, choices=[])


def _choice(choice: Choice) -> schemas.ChoiceOut:
    profile = choice.grant.profile
    return schemas.ChoiceOut(
        id=choice.id,
        handle=profile.handle,
        display_name=profile.display_name,
        base_url=profile.base_url,
        connected=choice.connected,
    )
