"""Codes of administrators' authenticator apps are worth one use each.

allauth marks used ones in the cache, which may be emptied, and for 30 seconds, while a code is good for 90.
"""

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.db import transaction

from sso_portal.lib.encryption import decrypt

USED = "used_counters"  # in the authenticator's data: the time steps whose codes were used, as long as they are good


def take(authenticator: Authenticator, code: str) -> bool:
    """Note that this code of an app was used; False when it had been."""
    counters = list(yield_hotp_counters_from_time())
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        secret = decrypt(row.data["secret"])
        used = [counter for counter in row.data.get(USED, []) if counter in counters]
        unused = [counter for counter in counters if counter not in used]
        for counter in unused:
            if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter))):
                row.data[USED] = [*used, counter]
                row.save(update_fields=["data"])
                return True
    return False
