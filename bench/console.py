"""Server time and queries of each page of the console, for a large group in PostgreSQL.

    DATABASE_URL=postgres://… python -m bench.console

The database must be migrated and hold the demo world. Every address of one group is asked for: the list comes from
the URL configuration. Prints a table in Markdown; fails where a page is slower or asks more than it may.
"""

import re
import statistics
import sys
import time
from collections.abc import Iterator

import django

django.setup()

from allauth.account.internal.flows.login import (  # noqa: E402
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import URLPattern, URLResolver, get_resolver  # noqa: E402
from django.utils.regex_helper import normalize  # noqa: E402

from accounts.models import Administrator  # noqa: E402
from bench import a_large_group  # noqa: E402
from groups.models import Agent, Group  # noqa: E402
from tokens.demo_world import ADMIN  # noqa: E402

NUMBER = 9000
ROUNDS = 21
SLOWEST, MOST_QUERIES = 0.100, 15  # seconds, median; queries
LISTS = {  # what else people ask of a page
    "agents": [
        "?q=garcia",
        "?q=zzz",
        "?status=locked",
        "?status=active",
        "?status=signed_in",
        "?sort=-last",
        "?client=large7",
    ],
    "activity": ["?q=LARGE-500000", "?outcome=refused", "?q=agent77", "?client=large7"],
    "dialled_numbers": ["?q=123"],
    "integration": ["?client=large7"],
}


def main() -> int:
    """Measure; how many pages are not within their limits."""
    if not Group.objects.filter(pk=NUMBER).exists():
        a_large_group.build(NUMBER)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("ANALYZE")
            cursor.execute("SET statement_timeout = 5000")
    browser = signed_in()
    print("| page | status | median ms | slowest ms | queries |\n| --- | --- | --- | --- | --- |")
    bad = 0
    for address in addresses():
        for _ in range(2):
            answer = browser.get(address)  # warm
        if answer.status_code == 405 or answer.streaming:
            continue
        with CaptureQueriesContext(
            connection,
        ) as queries:
            browser.get(address)
        asked = list(queries)  # the next request empties the log
        times = sorted(timed(browser, address) for _ in range(ROUNDS))
        median = statistics.median(times)
        is_bad = median > SLOWEST or len(asked) > MOST_QUERIES
        bad += is_bad
        mark = " **over**" if is_bad else ""
        print(
            f"| {address} | {answer.status_code} | {median * 1000:.1f}{mark} "
            f"| {times[-1] * 1000:.0f} | {len(asked)} |"
        )
        if "--queries" in sys.argv and is_bad:
            for query in sorted(asked, key=lambda query: -float(query["time"]))[:3]:
                print(f"    {query['time']} s: {query['sql'][:2000]}")
    return bad


def timed(browser: Browser, address: str) -> float:
    start = time.perf_counter()
    browser.get(address)
    return time.perf_counter() - start


def signed_in() -> Browser:
    """A browser of the demo's owner, second factor shown a moment ago."""
    browser = Browser(HTTP_HOST=settings.PORTAL_NETLOC)
    owner = Administrator.objects.get(email=ADMIN.name)
    browser.force_login(owner)
    session = browser.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time(), "type": "totp"}]
    session[_AUTHENTICATION_METHODS_USER_SESSION_KEY] = str(owner.pk)
    session.save()
    return browser


def addresses() -> Iterator[str]:
    """Every page of the large group, and what people ask of its lists."""
    subject = Agent.objects.filter(group=NUMBER).values_list("subject", flat=True)[0]
    values = {"group_id": NUMBER, "subject": subject, "subdomain": "large7", "reference": "LARGE-500000"}
    yield "/groups/"
    yield "/profile/"
    for name, pattern in sorted(patterns(get_resolver().url_patterns), key=lambda pair: pair[1]):
        form, names = normalize(pattern)[0]
        address = "/" + form % {each: values.get(each, 1) for each in names}
        if address.startswith((f"/groups/{NUMBER}/", "/refused/")):
            yield address
            yield from (address + query for query in LISTS.get(name, []))


def patterns(found: list[URLPattern | URLResolver], above: str = "") -> Iterator[tuple[str, str]]:
    for each in found:
        here = above + re.sub(r"\\Z$|\$$", "", each.pattern.regex.pattern.removeprefix("^"))
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, here)
        else:
            yield each.name or "", here


if __name__ == "__main__":
    sys.exit(main())
