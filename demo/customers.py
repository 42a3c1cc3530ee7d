"""Customers who do not exist, so that the demo CRM has somebody to show."""

import hashlib
from dataclasses import dataclass

NAMES = (
    "Rosa Delgado", "Henry Okafor", "Mei-Lin Zhou", "Tomasz Zielinski",
    "Priya Raman", "Samuel Brooks", "Ingrid Solberg", "Yusuf Demir",
)  # fmt: skip
PLANS = ("Standard, monthly", "Plus, monthly", "Plus, yearly", "Family, yearly")
CONTACTS = (
    ("9 days ago", "Phone", "Asked for a copy of the last invoice; sent by e-mail."),
    ("3 weeks ago", "E-mail", "Change of address confirmed."),
    ("5 weeks ago", "Phone", "Payment date moved to the 15th."),
    ("2 months ago", "Chat", "How to add a second person to the account."),
    ("4 months ago", "Phone", "Thanked for the quick repair."),
)


@dataclass(frozen=True)
class Customer:
    """One made-up record; each contact is when, how, and what about."""

    name: str
    account: str
    since: int
    plan: str
    contacts: tuple[tuple[str, str, str], ...]


def customer_calling_from(number: str) -> Customer:
    """Return the made-up customer of a telephone number: the same one at every call."""
    draw = hashlib.sha256(number.encode("utf-8", "replace")).digest()
    first = draw[4] % (len(CONTACTS) - 2)
    return Customer(
        name=NAMES[draw[0] % len(NAMES)],
        account=f"{int.from_bytes(draw[1:3], 'big') % 90_000 + 10_000}-{draw[3] % 10}",
        since=2015 + draw[5] % 10,
        plan=PLANS[draw[6] % len(PLANS)],
        contacts=CONTACTS[first : first + 3],
    )
