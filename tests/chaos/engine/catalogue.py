"""All scenarios in the order of their numbers, by importing the modules that register them."""

from tests.chaos.engine import (
    test_crowds,
    test_kills,
    test_mixed,
    test_networks,
    test_pauses,
    test_payloads,
    test_races,
    test_stores,
)
from tests.chaos.engine.scenario import REGISTERED, Scenario

MODULES = (
    test_crowds,
    test_kills,
    test_mixed,
    test_networks,
    test_pauses,
    test_payloads,
    test_races,
    test_stores,
)


def _number(scenario: Scenario) -> tuple[int, str]:
    digits, _, rest = scenario.name.removeprefix("R").partition("-")
    return int(digits), rest


SCENARIOS = sorted(REGISTERED.values(), key=_number)
