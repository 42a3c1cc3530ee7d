"""deploy/observability: the dashboard and the alarms speak of metrics that there are, and of pages that there are."""

import json
import re

import pytest
import yaml

from sso_portal.gauges import QUESTIONS
from sso_portal.lib.metrics import COUNTED
from tests.environment import ROOT

FOLDER = ROOT / "deploy" / "observability"
METRIC = re.compile(r"\bportal_[a-z_]+")
LABELS = re.compile(r"\bportal_[a-z_]+\{([^}]*)\}")
LABEL = re.compile(r"(\w+)[=!]")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def exported() -> dict[str, set[str]]:
    """Each series that /metrics can hold, with its labels."""
    found = {"portal_database_up": set()}
    found |= {name: {label} - {""} for name, _, label, _ in QUESTIONS}
    for metric, wrapper in ((next(iter(each.collect())), each) for each in COUNTED._collector_to_names):
        labels = set(wrapper._labelnames)
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}[metric.type]
        found |= {
            metric.name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes
        }
    return found


def expressions() -> list[str]:
    """Every question that the dashboard and the alarms ask of Prometheus."""
    panels = json.loads((FOLDER / "grafana-dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return asked + [rule["expr"] for rule in alarms()]


def alarms() -> list[dict[str, object]]:
    (group,) = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return group["rules"]


@pytest.mark.parametrize("expression", expressions())
def test_question_is_about_metrics_that_there_are(expression):
    assert set(METRIC.findall(expression)) <= set(exported())
    for name, labels in re.findall(r"\b(portal_[a-z_]+)\{([^}]*)\}", expression):
        assert set(LABEL.findall(labels)) <= exported()[name] | {"job"}


def test_every_metric_is_looked_at():
    shown = {name for expression in expressions() for name in METRIC.findall(expression)}
    whole = {name for name in exported() if not name.endswith(("_sum", "_count"))}

    assert whole <= shown


@pytest.mark.parametrize("alarm", alarms(), ids=lambda alarm: alarm["alert"])
def test_alarm_says_where_its_runbook_is(alarm):
    file, _, anchor = alarm["annotations"]["runbook"].partition("#")
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall((ROOT / file).read_text())
    }

    assert anchor in anchors
