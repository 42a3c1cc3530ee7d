"""What the demo CRM is told by its environment: the portal it trusts and the companies it plays."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

COMPANY_NAMES = {"demoaws": "Demo AWS", "sandboxdemo": "Sandbox Demo", "acme": "Acme Home Services"}


@dataclass(frozen=True)
class Company:
    """One client company; the portal knows it as a relying party."""

    subdomain: str
    relying_party: str
    secret: str = field(repr=False)

    @property
    def name(self) -> str:
        """The name on the pages."""
        return COMPANY_NAMES.get(self.subdomain, self.subdomain.replace("-", " ").title())


@dataclass(frozen=True)
class Configuration:
    """Everything the CRM has to know before it starts."""

    portal_url: str
    redeem_url: str
    group_id: str
    companies: Mapping[str, Company]
    database: Path

    @property
    def keys_url(self) -> str:
        """Where the portal publishes what its signatures are checked with."""
        return f"{self.portal_url}/.well-known/jwks.json"

    @property
    def door(self) -> str:
        """Where an agent goes to get in: the group's door when the group is known, else the portal."""
        return (
            f"{self.portal_url}/sso/group?group={self.group_id}" if self.group_id else f"{self.portal_url}/"
        )


def read_configuration(environment: Mapping[str, str]) -> Configuration:
    """Return the configuration, or stop the start with a sentence that names the variable at fault."""
    return Configuration(
        portal_url=_address("PORTAL_URL", environment).rstrip("/"),
        redeem_url=_address("REDEEM_URL", environment),
        group_id=environment.get("GROUP_ID", ""),
        companies=_companies(_required("CRM_CLIENTS", environment)),
        database=Path(environment.get("CRM_DATABASE") or _throw_away_file()),
    )


def _required(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SystemExit(f"The demo CRM needs {name} in its environment.")
    return value


def _address(name: str, environment: Mapping[str, str]) -> str:
    value = _required(name, environment)
    if not _is_address(value):
        raise SystemExit(f"{name} must be a full http or https address.")
    return value


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _companies(listed: str) -> dict[str, Company]:
    companies = [_company(entry.strip()) for entry in listed.split(",") if entry.strip()]
    return {company.subdomain: company for company in companies}


def _company(entry: str) -> Company:
    parts = entry.split(":", 2)
    if len(parts) != 3 or not all(parts):  # the entry holds a secret, so it is not repeated
        raise SystemExit(
            "CRM_CLIENTS must read subdomain:id:secret, one entry a company, with commas between."
        )
    return Company(subdomain=parts[0].lower(), relying_party=parts[1], secret=parts[2])


def _throw_away_file() -> str:
    """Return a new file of this process alone; several workers need CRM_DATABASE to share their sessions."""
    with tempfile.NamedTemporaryFile(prefix="demo-crm-", suffix=".sqlite3", delete=False) as made:
        return made.name
