"""What tests read of an answer."""

from html import unescape

from django.http import HttpResponse
from django.utils.html import strip_tags


def page_of(response: HttpResponse) -> str:
    """The page with its markup, white space folded."""
    return " ".join(response.content.decode().split())


def words_of(response) -> str:
    """What a person reads on the page."""
    body = response.content.decode().partition("<body")[2]
    return " ".join(unescape(strip_tags(body)).split())


def directives(response) -> dict[str, list[str]]:
    """The page's content security policy."""
    policy = response.headers["Content-Security-Policy"]
    return {words[0]: words[1:] for part in policy.split(";") if (words := part.split())}
