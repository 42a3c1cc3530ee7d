"""Every address of the URL configuration, found there and not in a list by hand."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

# What the variable parts are filled with where no test says better.
FILLINGS = {
    "subdomain": "demoaws",
    "reference": "K7QF-3M2P-X8TA",
    "uidb36": "1",
    "key": "x-y",
    "object_id": "1",
    "pk": "1",
    "app_label": "groups",
    "content_type_id": "1",
    "url": "x",
    "subject": "0" * 32,
    "_0": "/nothing-here",  # below an address that has nothing
}


def every_address(**known: object) -> Iterator[str]:
    """Every address, its variable parts filled with what is `known` of the rows of a test, else with anything."""
    for _, address in every_named_address(**known):
        yield address


def every_named_address(**known: object) -> Iterator[tuple[str, str]]:
    """Each address with its name in the URL configuration ("" for one without)."""
    for name, pattern in _patterns(get_resolver().url_patterns):
        for form, parts in normalize(pattern)[:2]:
            filled = {part: known.get(part, FILLINGS.get(part, "1")) for part in parts}
            yield name, "/" + form % filled


def variable_parts(pattern: str) -> set[str]:
    """The names of the variable parts of the pattern with this name."""
    return {part for name, found in _patterns(get_resolver().url_patterns) if name == pattern
            for _, parts in normalize(found) for part in parts}  # fmt: skip


def _patterns(patterns: list[URLPattern | URLResolver], above: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        here = above + pattern.pattern.regex.pattern.lstrip("^").removesuffix(r"\Z").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, here)
        else:
            yield pattern.name or "", here
