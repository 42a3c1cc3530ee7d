"""Samples of the doors for software, with a group's own values in them: they run as they are, given the secrets."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.template.loader import render_to_string

from groups.models import Client, Group
from tokens.models import RelyingParty


@dataclass(frozen=True)
class Sample:
    """A program for one door; it reads its secrets from environment variables."""

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


def oidc_samples(party: RelyingParty, *, redirect_uri: str, group: Group) -> list[Sample]:
    """A sign-in at this relying party, ending at this address; and a check of its secret, if it has one."""
    samples = [
        _sample(
            "oidc_python",
            "Python",
            "sign_in.py",
            "python3" if party.is_public else "CLIENT_SECRET=… python3",
            issuer=_in_json(settings.PORTAL_URL),
            client_id=_in_json(party.identifier),
            redirect_uri=_in_json(redirect_uri),
            group=_in_json(str(group.pk)),
            secret="" if party.is_public else "yes",
        )
    ]
    if not party.is_public:
        url = shlex.quote(f"{settings.PORTAL_URL}/oauth/introspect")
        samples.insert(
            0,
            _sample(
                "oidc_curl",
                "curl",
                "check_secret.sh",
                "CLIENT_SECRET=… sh",
                url=url,
                client_id=shlex.quote(party.identifier),
            ),
        )
    return samples


def sso_url_samples(url: str, *, client: Client, group: Group) -> list[Sample]:
    """A signed call for the address where agents of this group sign in to this client."""
    values = {
        "url": url,
        "product": client.subdomain,
        "account": group.code,
        "word": settings.SIGNED_URL_WORD,
    }
    starts = "API_KEY=… SHARED_KEY=…"
    in_shell = {name: shlex.quote(value) for name, value in values.items()}
    in_python = {name: _in_json(value) for name, value in values.items()}
    return [
        _sample("sso_url_curl", "curl", "sso_url.sh", f"{starts} sh", **in_shell),
        _sample("sso_url_python", "Python", "sso_url.py", f"{starts} python3", **in_python),
    ]


def create_sso_token_samples(url: str, *, client: Client) -> list[Sample]:
    """A call for a login of this client's owner."""
    values = {"url": shlex.quote(url), "client": str(client.pk)}
    starts = "IDENTIFIER=… SECRET=… sh"
    return [_sample("create_sso_token_curl", "curl", "create_sso_token.sh", starts, **values)]


def native_samples(url: str) -> list[Sample]:
    """What the group may enter, asked of the portal's own API."""
    return [_sample("native_curl", "curl", "entitlements.sh", "API_KEY=… sh", url=shlex.quote(url))]


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
