"""`pages`: server time and queries of every page of the console, for the large group.

Every address of one group is asked for: the list comes from the URL configuration. Runs with the portal's settings, in
a process of its own.
"""

import re
import statistics
import sys
import time
from collections.abc import Iterator

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import URLPattern, URLResolver, get_resolver  # noqa: E402
from django.utils.regex_helper import normalize  # noqa: E402

from bench.people import signed_in  # noqa: E402
from bench.report import table  # noqa: E402
from bench.rows import GROUP  # noqa: E402
from groups.models import Agent  # noqa: E402

ROUNDS = 21
SLOWEST, MOST_QUERIES = 0.100, 15  # seconds, median; queries
REFERENCE = "MONTH-500000"
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
    "activity": [f"?q={REFERENCE}", "?outcome=refused", "?q=agent77", "?client=large7"],
    "dialled_numbers": ["?q=123"],
    "integration": ["?client=large7"],
}


def main() -> int:
    """Measure, and print the table; 1 where a page is slower or asks more than it may."""
    browser = signed_in()
    rows, is_over = [], False
    for address in addresses():
        for _ in range(2):
            answer = browser.get(address)  # warm
        if answer.status_code == 405 or answer.streaming:
            continue
        with CaptureQueriesContext(connection) as queries:
            browser.get(address)
        asked = len(queries)  # the next request empties the log
        times = sorted(timed(browser, address) for _ in range(ROUNDS))
        median = statistics.median(times)
        is_slow, is_curious = median > SLOWEST, asked > MOST_QUERIES
        is_over = is_over or is_slow or is_curious
        rows.append(
            [
                address,
                str(answer.status_code),
                f"{median * 1000:.1f}{' **over**' if is_slow else ''}",
                f"{times[-1] * 1000:.0f}",
                f"{asked}{' **over**' if is_curious else ''}",
            ]
        )
    print(table(["page", "status", "median ms", "slowest ms", "queries"], rows))
    return int(is_over)


def timed(browser: Browser, address: str) -> float:
    """How long one answer takes, in seconds."""
    start = time.perf_counter()
    browser.get(address)
    return time.perf_counter() - start


def addresses() -> Iterator[str]:
    """Every page of the large group, and what people ask of its lists."""
    subject = Agent.objects.filter(group=GROUP).values_list("subject", flat=True)[0]
    values = {"group_id": GROUP, "subject": subject, "subdomain": "large7", "reference": REFERENCE}
    yield "/groups/"
    yield "/profile/"
    for name, pattern in sorted(patterns(get_resolver().url_patterns), key=lambda pair: pair[1]):
        form, names = normalize(pattern)[0]
        address = "/" + form % {each: values.get(each, 1) for each in names}
        if address.startswith((f"/groups/{GROUP}/", "/refused/")):
            yield address
            yield from (address + query for query in LISTS.get(name, []))


def patterns(found: list[URLPattern | URLResolver], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and pattern of every address."""
    for each in found:
        here = above + re.sub(r"\\Z$|\$$", "", each.pattern.regex.pattern.removeprefix("^"))
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, here)
        else:
            yield each.name or "", here


if __name__ == "__main__":
    sys.exit(main())
