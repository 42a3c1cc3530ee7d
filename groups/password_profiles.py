"""What a group demands of its agents' passwords, beside what every password needs."""

from typing import Any

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    password_validators_help_texts,
    validate_password,
)
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.passwords import MaximumLengthValidator
from groups.models import Agent, FormerPassword, PasswordProfile

FORMER = 4  # passwords that may not come back (PCI DSS 4.0, requirement 8.3.7)
RELAXED: list[Any] = [
    MinimumLengthValidator(min_length=8),
    MaximumLengthValidator(),
    CommonPasswordValidator(),
]


def validate(password: str, agent: Agent) -> None:
    """Refuse a password that the agent's group does not allow. Raises ValidationError."""
    profile = agent.group.password_profile
    if profile == PasswordProfile.RELAXED:
        validate_password(password, agent, RELAXED)  # type: ignore[arg-type]  # asks for `own_words` only
        return
    validate_password(password, agent)  # type: ignore[arg-type]  # as above
    if profile == PasswordProfile.PCI:
        _validate_letter_and_digit(password)
        _validate_new(password, agent)


def rules(agent: Agent) -> list[str]:
    """What the agent's group demands, in words."""
    profile = agent.group.password_profile
    if profile == PasswordProfile.RELAXED:
        return password_validators_help_texts(RELAXED)
    told = password_validators_help_texts()
    if profile == PasswordProfile.PCI:
        told += [_("At least one letter and one digit."), _("None of your last four passwords.")]
    return told


def remember(agent: Agent) -> None:
    """Keep the password that is about to be replaced, and forget those that may come back. In a transaction."""
    if agent.password:
        FormerPassword.objects.create(agent=agent, password=agent.password)
    kept = (
        FormerPassword.objects.filter(agent=agent)
        .order_by("-replaced_at", "-pk")
        .values_list("pk", flat=True)
    )
    FormerPassword.objects.filter(pk__in=list(kept[FORMER - 1 :])).delete()


def _validate_letter_and_digit(password: str) -> None:
    if not (any(c.isalpha() for c in password) and any(c.isdigit() for c in password)):
        raise ValidationError(_("Please use at least one letter and one digit."), code="password_too_plain")


def _validate_new(password: str, agent: Agent) -> None:
    """None of those before the present one, which nobody may choose again anyway: four in all."""
    former = FormerPassword.objects.filter(agent=agent).order_by("-replaced_at", "-pk")[: FORMER - 1]
    if any(check_password(password, row.password) for row in former):
        raise ValidationError(
            _("You had this password before. Please choose another one."), code="password_used"
        )
