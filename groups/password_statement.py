"""What each password profile demands, as a statement for people: an auditor, say."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups import password_profiles
from groups.models import Agent, Group, PasswordProfile

SUMMARIES = {
    PasswordProfile.DEFAULT: gettext_lazy("At least 12 characters, nothing that is easily guessed."),
    PasswordProfile.PCI: gettext_lazy(
        "Also a letter and a digit, none of the last four, a second factor, and at most 15 minutes idle."
    ),
    PasswordProfile.RELAXED: gettext_lazy("At least 8 characters. In the demo only."),
}


@dataclass(frozen=True)
class Demand:
    """One part of the statement: what it is about, and what the group demands."""

    about: str
    demands: list[str]


def statement_of(group: Group) -> list[Demand]:
    """What this group demands of its agents' sign-in, in words."""
    numbers = {
        "failures": settings.LOCKOUT_FAILURES,
        "window": int(settings.LOCKOUT_WINDOW.total_seconds() // 60),
        "locked": int(settings.LOCKOUT_DURATION.total_seconds() // 60),
        "idle": group.idle_minutes,
        "longest": group.longest_session_hours,
        "sessions": group.sessions_per_agent,
        "code": int(settings.ACTIVATION_CODE_LIFETIME.total_seconds() // 3600),
    }
    return [
        Demand(_("Password"), password_profiles.rules(Agent(group=group))),
        Demand(
            _("First password"),
            [
                _("Chosen by the agent, after a code that works once, within %(code)s hours.") % numbers,
                _("Nobody else ever sees it, administrators included."),
            ],
        ),
        Demand(
            _("Second factor"),
            [_("A passkey, or a code of an authenticator app, at every sign-in.")]
            if group.needs_second_factor
            else [_("Not demanded.")],
        ),
        Demand(
            _("Wrong passwords"),
            [_("%(failures)s within %(window)s minutes lock the name for %(locked)s minutes.") % numbers],
        ),
        Demand(
            _("Sessions"),
            [
                _("The password is asked again after %(idle)s minutes without a call.") % numbers,
                _("A new sign-in after %(longest)s hours.") % numbers,
                _("At most %(sessions)s at the same time.") % numbers,
            ],
        ),
        Demand(_("Networks"), list(group.agent_networks) or [_("Sign-in is possible from everywhere.")]),
        Demand(_("How passwords are kept"), [_("As argon2id digests (19 MiB, two passes); never in clear.")]),
    ]
