"""What is read of a pop's answer."""

from urllib.parse import parse_qs, urlsplit

from groups.targets import unseal
from tests.reading import words_of
from tokens.models import LoginToken

HOSTILE = "<script>alert(1)</script>\"'&amp;"


def nothing_minted() -> bool:
    return not LoginToken.objects.exists()


def without_reference(response) -> str:
    return words_of(response).replace(response.headers["X-Request-Id"], "")


def target_of(response):
    """Where the sign-in page would send the agent on to."""
    return unseal(parse_qs(urlsplit(response.headers["Location"]).query)["to"][0])
