"""The two kinds of key that a group makes, in words for its administrators."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from tokens.models import ApiKey, GroupKey, PlatformKey


@dataclass(frozen=True)
class Kind:
    """One kind of key: its rows, the names of its addresses begin with `name`, and what pages say of it."""

    model: type[GroupKey]
    name: str
    title: Any
    where: Any  # it is sent
    empty: Any
    new_title: Any
    name_help: Any
    made_help: Any
    sample_label: Any


PLATFORM = Kind(
    PlatformKey,
    "key",
    title=_("Keys of your call-center software"),
    where=_("Sent in the header Platform-Key. To replace one without a failed call, rotate it."),
    empty=_(
        "Your call-center software shows a key when it asks for an agent's login. "
        "Make one, and it is shown to you once."
    ),
    new_title=_("New key"),
    name_help=_("The software that will use it, like “Dialer”. Only administrators see it."),
    made_help=_(
        "For the header Platform-Key. Keep it on the server; it has no place in a browser or an address."
    ),
    sample_label=_("Try it: a call that asks for a login"),
)
API = Kind(
    ApiKey,
    "api_key",
    title=_("Keys of the native API"),
    where=_("Sent as Authorization: Bearer. Each may be used for what it was made for, and no more."),
    empty=_(
        "Your own software can keep the agents up to date, ask for logins and read events. "
        "Make a key for it, and it is shown to you once."
    ),
    new_title=_("New key of the native API"),
    name_help=_("The software that will use it, like “Staff directory”. Only administrators see it."),
    made_help=_(
        "For the header Authorization, after the word Bearer. Keep it on the server; "
        "it has no place in a browser or an address."
    ),
    sample_label=_("Try it"),
)
KINDS = (PLATFORM, API)
