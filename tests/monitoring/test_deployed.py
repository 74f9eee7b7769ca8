"""What deploy/ gives to Prometheus, Grafana and Alertmanager fits what is exported and written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from ruamel.yaml import YAML

from service.config import Settings
from service.monitoring.alert_rules import DATABASE_AWAY, KINDS
from service.monitoring.alerting import wanted
from service.schedules import ticking
from tests.support import Installation
from workers import periodic
from workers.metrics import JobMetrics

REPOSITORY = Path(__file__).parents[2]
PROMETHEUS = REPOSITORY / "deploy/prometheus"
RULES, CASES = PROMETHEUS / "almanac.rules.yml", PROMETHEUS / "almanac.rules.test.yml"
DASHBOARD = REPOSITORY / "deploy/grafana/almanac.json"
DOCUMENT = (REPOSITORY / "docs/monitoring.md").read_text()
METRIC = re.compile(r"\b(?:almanac|process)_[a-z_]+\b")
PARTS = re.compile(r"_(?:bucket|count|sum)$")


def run(program: str, *arguments: str | Path) -> None:
    """Run a tool on the repository; its complaints are the failure."""
    path = shutil.which(program) or Path(sys.executable).with_name(program)
    if not Path(path).exists():
        missing = f"{program} is not installed: apt-get install prometheus prometheus-alertmanager"
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    """Return the alerts of Prometheus."""
    (group,) = YAML(typ="safe").load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def rows(heading: str) -> list[list[str]]:
    """Return the cells of all tables below a heading of the document, without backquotes."""
    part = DOCUMENT.partition(f"\n{heading}\n")[2]
    part = re.split(rf"\n#{{1,{heading.count('#')}}} ", part)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


def test_prometheus_takes_the_rules() -> None:
    """G069: promtool reads them."""
    run("promtool", "check", "rules", RULES)


def test_each_rule_fires_and_does_not() -> None:
    """G069, G070, G071, G072: series that make each true, and series that do not."""
    run("promtool", "test", "rules", CASES)
    tested = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in YAML(typ="safe").load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    assert {rule["alert"] for rule in rules()} == {name for name, fires in tested if fires}


def test_the_examples_are_sound() -> None:
    run("promtool", "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")
    run("amtool", "check-config", REPOSITORY / "deploy/alertmanager/alertmanager.yml")
    run("yamllint", "--strict", REPOSITORY / "deploy")


async def exported(api: Installation) -> set[str]:
    """Return the names of all metrics, of API and workers, by their types' lines."""
    await periodic.mirror(api.runtime, api.runtime.settings)
    await api.sql("UPDATE schedules SET job = 'backups.create' WHERE name = 'posts.sweep'")
    await ticking.look(api.runtime, "test", [])
    own = (await api.get("/metrics")).text
    registry = CollectorRegistry()
    JobMetrics(registry)
    text = own + generate_latest(registry).decode()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


@pytest.mark.asyncio
async def test_rules_and_dashboard_name_what_is_exported(api: Installation) -> None:
    """G070: no rule and no panel looks at what nobody tells."""
    names = await exported(api)
    expressions = [rule["expr"] for rule in rules()]
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    expressions += [one["definition"] for one in dashboard["templating"]["list"][1:]]
    for expression in expressions:
        found = {PARTS.sub("", name) for name in METRIC.findall(expression)}
        assert found <= names | {PARTS.sub("", name) for name in names}, expression
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}


@pytest.mark.asyncio
async def test_the_document_names_every_metric(api: Installation) -> None:
    """G077: and none that is not there."""
    told = {cells[0] for cells in rows("## Metrics") if cells[0].startswith("almanac_")}
    assert told == {name for name in await exported(api) if name.startswith("almanac_")}


def test_the_document_names_every_rule() -> None:
    table = {cells[0]: cells[2] for cells in rows("## Prometheus, Grafana, Alertmanager")[1:]}
    assert {name: level for name, level in table.items() if name.startswith("Almanac")} == {
        rule["alert"]: rule["labels"]["severity"] for rule in rules()
    }


def test_the_document_names_every_alert() -> None:
    """With the thresholds that it has by default."""
    table = rows("## Built-in alerts")
    told = {cells[0]: cells[3:] for cells in table if cells[0] not in {"alert", "---"}}
    expected = {kind.name: [f"{kind.above:g}", f"{kind.seconds:g} s"] for kind in KINDS}
    assert told == {**expected, DATABASE_AWAY.name: [f"{DATABASE_AWAY.above:g}", "at once"]}
    assert wanted(Settings(_env_file=None)).keys() == told.keys()
