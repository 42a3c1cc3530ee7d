"""Samples of the SSO API, with a group's own values in them: they run as they are, given the key."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from django.template.loader import render_to_string


@dataclass(frozen=True)
class Sample:
    """A program that asks for one login; it reads the key from the environment variable PLATFORM_KEY."""

    key: str
    name: str
    file_name: str
    command: str  # what starts it
    text: str


def samples_of(*, url: str, fields: Mapping[str, str]) -> list[Sample]:
    """The same call in four languages: to this address, with these fields.

    Whatever the values hold, each is one literal of its language: they never end it.
    """
    as_json = json.dumps(fields, indent=2, ensure_ascii=False)
    return [
        _sample("curl", "curl", "login.sh", "sh", url=shlex.quote(url), fields=shlex.quote(as_json)),
        _sample("php", "PHP", "login.php", "php", url=_in_php(url), fields=_php_array(fields)),
        _sample("python", "Python", "login.py", "python3", url=_in_json(url), fields=_python_dict(fields)),
        _sample("node", "Node", "login.mjs", "node", url=_in_json(url), fields=as_json),
    ]


def _sample(key: str, name: str, file_name: str, runtime: str, **literals: str) -> Sample:
    text = render_to_string(f"tokens/samples/{key}.txt", literals)
    return Sample(key, name, file_name, f"{runtime} {file_name}", text.strip())


def _in_json(text: str) -> str:
    """As a literal of JSON, which Python and JavaScript read alike."""
    return json.dumps(text, ensure_ascii=False)


def _in_php(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _python_dict(fields: Mapping[str, str]) -> str:
    lines = [f"    {_in_json(name)}: {_in_json(value)}," for name, value in fields.items()]
    return "\n".join(["{", *lines, "}"])


def _php_array(fields: Mapping[str, str]) -> str:
    lines = [f"    {_in_php(name)} => {_in_php(value)}," for name, value in fields.items()]
    return "\n".join(["[", *lines, "]"])
