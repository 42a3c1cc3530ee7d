"""Render the Helm chart as Helm does, and hold what comes out against Kubernetes' own schemas.

Runs in the environment of deploy/requirements-check.txt.
"""

import sys
from collections.abc import Iterator
from typing import Any

import helm_python
import yaml
from kubernetes_validate import ValidationError, latest_version, validate

CHART, RELEASE = "deploy/chart", "portal"
OLDEST = "1.27.0"  # kubeVersion in Chart.yaml
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "with less": {
        "autoscaling": {"enabled": False},
        "ingress": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
    "with more": {
        "image": {"tag": "1.2.3"},
        "imagePullSecrets": ["registry"],
        "settings": {"LOGIN_TOKEN_SECONDS": 30, "OUTGOING_PRIVATE": "10.0.0.0/8"},
        "ingress": {"annotations": {"example.com/name": "value"}},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "portal", "operator": "Exists"}],
    },
}
REFUSED: tuple[dict[str, Any], ...] = (
    {"portalUrl": "http://portal.example.com"},
    {"settings": {"SECRET_KEY": "in a place that is none for secrets"}},
    {"replica": 3},
)


def main() -> int:
    """Print one line for each fault; return the exit status."""
    faults = list(_faults())
    for fault in faults:
        print(f"{CHART}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _faults() -> Iterator[str]:
    for message in helm_python.lint(CHART, strict=True)["messages"]:
        if message["severity"] > 1:
            yield f"{message['path']}: {message['error']}"

    with helm_python.Chart.load(CHART) as chart:
        for variant, values in VARIANTS.items():
            made = list(_made(chart, values))
            for version in (OLDEST, latest_version()):
                for each in made:
                    try:
                        validate(each, version, strict=True)
                    except ValidationError as error:
                        yield f"{variant}, {_name(each)}, Kubernetes {version}: {error.message}"
            yield from (f"{variant}, {text}" for text in _strangers(made))
        for values in REFUSED:
            try:
                chart.validate_schema(chart.merge_values(values))
            except helm_python.HelmError:
                continue
            yield f"values.schema.json lets {values} pass"


def _made(chart: helm_python.Chart, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    chart.validate_schema(chart.merge_values(values))
    for path, text in chart.render(values, name=RELEASE, namespace="default").items():
        if path.endswith(".yaml"):
            yield from filter(None, yaml.safe_load_all(text))


def _strangers(made: list[dict[str, Any]]) -> Iterator[str]:
    """What selects pods, and selects none that the chart makes."""
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in made if "template" in each["spec"]]
    for each in made:
        spec = each["spec"]
        selector = spec.get("podSelector") or (spec.get("selector") if each["kind"] != "Job" else None)
        wanted = (selector or {}).get("matchLabels", selector)
        if wanted and not any(wanted.items() <= labels.items() for labels in pods):
            yield f"{_name(each)} selects no pod"


def _name(made: dict[str, Any]) -> str:
    return f"{made['kind']} {made['metadata']['name']}"


if __name__ == "__main__":
    sys.exit(main())
