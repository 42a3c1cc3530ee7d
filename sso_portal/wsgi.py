"""What a WSGI server serves."""

import os
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from sso_portal.checks import refuse_unsafe_settings
from sso_portal.lib import counts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sso_portal.settings")

MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
# As RFC 2046, section 5.1.1, has it; a client may leave out the quotes.
BOUNDARY = re.compile(
    r"""\s*boundary\s*=\s*(?P<quote>"?)(?P<boundary>[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-])(?P=quote)\s*""",
    re.ASCII | re.IGNORECASE,
)
UNREADABLE = "application/octet-stream"


if settings.METRICS_TOKEN:
    counts.share()  # before anything that counts is imported
django_application = get_wsgi_application()
refuse_unsafe_settings()

from sso_portal.express import express  # noqa: E402  (what it imports counts, and knows models)

portal = express(django_application)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The portal. It speaks UTF-8, whichever charset a request names."""
    environ["CONTENT_TYPE"] = plain_content_type(environ.get("CONTENT_TYPE") or "")
    return portal(environ, start_response)


@lru_cache(maxsize=100)  # nearly all requests name one of a few
def plain_content_type(said: str) -> str:
    """The content type with nothing in it that is not needed: a parameter can name a codec, in several spellings."""
    media_type, *parameters = said.split(";")
    media_type = media_type.strip()
    if not media_type and not parameters:
        return ""
    if not MEDIA_TYPE.fullmatch(media_type):
        return UNREADABLE
    if media_type.lower().startswith("multipart/"):
        for found in filter(None, map(BOUNDARY.fullmatch, parameters)):
            return f'{media_type}; boundary="{found["boundary"]}"'
    return media_type
