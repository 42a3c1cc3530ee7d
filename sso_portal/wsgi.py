"""What a WSGI server serves."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from sso_portal.checks import refuse_unsafe_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sso_portal.settings")

OTHER_CHARSET = re.compile(r";\s*charset=(?!\"?utf-?8\"?\s*(?:;|$))[^;]*", re.IGNORECASE)

portal = get_wsgi_application()
refuse_unsafe_settings()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The portal. It speaks UTF-8: of another charset Django would ask Python for a codec, whatever its name."""
    environ["CONTENT_TYPE"] = OTHER_CHARSET.sub("", environ.get("CONTENT_TYPE") or "")
    return portal(environ, start_response)
