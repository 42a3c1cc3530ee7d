"""What the fields of several models share."""

from django.core.exceptions import ValidationError

from sso_portal.lib.text import why_not_text, why_not_username

USERNAME_LENGTH = 150
NAME_LENGTH = 200


def validate_text(text: str) -> None:
    """Refuse characters that cannot be shown."""
    if why := why_not_text(text, longest=10_000):
        raise ValidationError(f"This {why}.")


def validate_username(name: str) -> None:
    """Refuse characters that cannot be seen."""
    if why := why_not_username(name, longest=USERNAME_LENGTH):
        raise ValidationError(f"This {why}.")
