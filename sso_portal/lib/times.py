"""Time zones: people read local times, the database keeps UTC."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


@cache
def time_zones() -> tuple[str, ...]:
    """The names of the IANA time zones that a person may choose: `Continent/City` and UTC."""
    continents = (
        "Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/"
    )  # fmt: skip
    return ("UTC", *sorted(name for name in available_timezones() if name.startswith(continents)))


@cache
def time_zone_choices() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """The time zones as a form offers them: UTC, then cities by continent."""
    cities: dict[str, list[tuple[str, str]]] = {}
    for name in time_zones()[1:]:
        continent, _slash, city = name.partition("/")
        cities.setdefault(continent, []).append((name, city.replace("_", " ").replace("/", ", ")))
    return [("UTC", "UTC"), *cities.items()]


def validate_time_zone(name: str) -> None:
    """Refuse what is no time zone."""
    if name not in time_zones():
        raise ValidationError(_("This is not a time zone: choose one like America/New_York."))


def zone_of(*names: str) -> ZoneInfo:
    """The first of these time zones that is one; UTC where none is."""
    return ZoneInfo(next((name for name in names if name in time_zones()), "UTC"))
