"""Telephone numbers: whatever people and telephone systems write, in one spelling (E.164)."""

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

LONGEST = 64
WRITTEN = re.compile(r"[\d\s().\-/+]*")  # digits, and what may stand between them
SHORTENED = re.compile(
    r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE
)  # 1.80056E+10: what spreadsheets make of a number
ADDRESS = re.compile(r"(?:sips?|tel):([^@;]*)", re.IGNORECASE)  # sip:+18005550101@voice.example
# What people put before a number inside a country: 0 almost everywhere, 1 in North America, 8, 06, 01, 80 elsewhere.
NATIONAL_PREFIXES = ("0", "1", "8", "06", "01", "80")
SHORTEST_NATIONAL = 5  # shorter ones are extensions
# For the numbers that people write without a country code; all others can be written with one.
COUNTRIES = {
    "AE": gettext_lazy("United Arab Emirates"),
    "AR": gettext_lazy("Argentina"),
    "AT": gettext_lazy("Austria"),
    "AU": gettext_lazy("Australia"),
    "BE": gettext_lazy("Belgium"),
    "BG": gettext_lazy("Bulgaria"),
    "BO": gettext_lazy("Bolivia"),
    "BR": gettext_lazy("Brazil"),
    "CA": gettext_lazy("Canada"),
    "CH": gettext_lazy("Switzerland"),
    "CL": gettext_lazy("Chile"),
    "CN": gettext_lazy("China"),
    "CO": gettext_lazy("Colombia"),
    "CR": gettext_lazy("Costa Rica"),
    "CZ": gettext_lazy("Czechia"),
    "DE": gettext_lazy("Germany"),
    "DK": gettext_lazy("Denmark"),
    "DO": gettext_lazy("Dominican Republic"),
    "EC": gettext_lazy("Ecuador"),
    "EE": gettext_lazy("Estonia"),
    "EG": gettext_lazy("Egypt"),
    "ES": gettext_lazy("Spain"),
    "FI": gettext_lazy("Finland"),
    "FR": gettext_lazy("France"),
    "GB": gettext_lazy("United Kingdom"),
    "GR": gettext_lazy("Greece"),
    "GT": gettext_lazy("Guatemala"),
    "HK": gettext_lazy("Hong Kong"),
    "HN": gettext_lazy("Honduras"),
    "HR": gettext_lazy("Croatia"),
    "HU": gettext_lazy("Hungary"),
    "ID": gettext_lazy("Indonesia"),
    "IE": gettext_lazy("Ireland"),
    "IL": gettext_lazy("Israel"),
    "IN": gettext_lazy("India"),
    "IT": gettext_lazy("Italy"),
    "JM": gettext_lazy("Jamaica"),
    "JP": gettext_lazy("Japan"),
    "KE": gettext_lazy("Kenya"),
    "KR": gettext_lazy("South Korea"),
    "LT": gettext_lazy("Lithuania"),
    "LU": gettext_lazy("Luxembourg"),
    "LV": gettext_lazy("Latvia"),
    "MA": gettext_lazy("Morocco"),
    "MX": gettext_lazy("Mexico"),
    "MY": gettext_lazy("Malaysia"),
    "NG": gettext_lazy("Nigeria"),
    "NI": gettext_lazy("Nicaragua"),
    "NL": gettext_lazy("Netherlands"),
    "NO": gettext_lazy("Norway"),
    "NZ": gettext_lazy("New Zealand"),
    "PA": gettext_lazy("Panama"),
    "PE": gettext_lazy("Peru"),
    "PH": gettext_lazy("Philippines"),
    "PK": gettext_lazy("Pakistan"),
    "PL": gettext_lazy("Poland"),
    "PR": gettext_lazy("Puerto Rico"),
    "PT": gettext_lazy("Portugal"),
    "PY": gettext_lazy("Paraguay"),
    "RO": gettext_lazy("Romania"),
    "RS": gettext_lazy("Serbia"),
    "SA": gettext_lazy("Saudi Arabia"),
    "SE": gettext_lazy("Sweden"),
    "SG": gettext_lazy("Singapore"),
    "SI": gettext_lazy("Slovenia"),
    "SK": gettext_lazy("Slovakia"),
    "SV": gettext_lazy("El Salvador"),
    "TH": gettext_lazy("Thailand"),
    "TN": gettext_lazy("Tunisia"),
    "TR": gettext_lazy("Türkiye"),
    "TW": gettext_lazy("Taiwan"),
    "UA": gettext_lazy("Ukraine"),
    "US": gettext_lazy("United States"),
    "UY": gettext_lazy("Uruguay"),
    "VE": gettext_lazy("Venezuela"),
    "VN": gettext_lazy("Vietnam"),
    "ZA": gettext_lazy("South Africa"),
}


class NotANumber(ValueError):
    """This cannot be dialled; the text says why, for people."""


@dataclass(frozen=True)
class Dialled:
    """What a telephone system may mean by a number: in E.164, the likelier first, or without the country code."""

    text: str
    international: tuple[str, ...] = ()
    national: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Dialled":
        """Read it with or without +, with 00 or 011, or as dialled inside its country."""
        if address := ADDRESS.match(text):
            text = address[1]
        text = text.strip()
        digits = phonenumbers.normalize_digits_only(text)
        if len(text) > LONGEST or not digits or not WRITTEN.fullmatch(text):
            return cls(text)
        if text.startswith("+"):
            return cls(text, _international(digits))
        if digits.startswith("00"):
            return cls(text, _international(digits[2:]))
        abroad = _international(digits[3:]) if digits.startswith("011") else ()  # as North America dials out
        cut = (digits[len(prefix) :] for prefix in NATIONAL_PREFIXES if digits.startswith(prefix))
        national = tuple(rest for rest in (digits, *cut) if len(rest) >= SHORTEST_NATIONAL)
        return cls(text, _international(digits) + abroad, national)

    def may_mean(self, number: str) -> bool:
        """Whether people in the own country of this number (it is in E.164) mean it when they dial so."""
        code = phonenumbers.parse(number).country_code
        try:
            meant = phonenumbers.parse(self.text, phonenumbers.region_code_for_country_code(code or 0))
        except NumberParseException:
            return False
        return phonenumbers.format_number(meant, PhoneNumberFormat.E164) == number


def countries() -> list[tuple[str, str]]:
    """The countries to choose from, by name, each with its calling code."""
    named = [
        (code, f"{name} (+{phonenumbers.country_code_for_region(code)})") for code, name in COUNTRIES.items()
    ]
    return sorted(named, key=lambda country: _without_accents(country[1]))


def e164(text: str, *, country: str = "") -> str:
    """The number in E.164 (+ and up to fifteen digits). `country` reads those written without a country code.

    Raises NotANumber.
    """
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf").strip()
    if SHORTENED.fullmatch(visible):
        raise NotANumber(_("A spreadsheet has shortened this number. Format its column as text."))
    address = ADDRESS.match(visible)
    written = re.sub(r"^00", "+", address[1] if address else visible)
    if len(written) > LONGEST or not any(c.isdigit() for c in written):
        raise NotANumber(_("This is not a telephone number."))
    if not written.startswith("+") and not country:
        raise NotANumber(_("Begin with + and the country code, or choose the country of the numbers."))
    try:
        number = phonenumbers.parse(written, country or None)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            raise NotANumber(_("No country has this code. Begin with + and the country code.")) from error
        raise NotANumber(_("This is not a telephone number.")) from error
    if number.extension:
        raise NotANumber(_("Leave the extension out: callers dial the number alone."))
    if why := _why_not_possible(number):
        raise NotANumber(why)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def is_usual(number: str) -> bool:
    """Whether the country of this number (in E.164) gives out numbers like it, as far as is known."""
    return phonenumbers.is_valid_number(phonenumbers.parse(number))


def readable(number: str) -> str:
    """The number (in E.164) as people write it: +1 800-555-0101."""
    try:
        return phonenumbers.format_number(phonenumbers.parse(number), PhoneNumberFormat.INTERNATIONAL)
    except NumberParseException:
        return number


def without_country(number: str) -> str:
    """The digits of the number (in E.164) after its country code; "" where it has none."""
    try:
        return phonenumbers.national_significant_number(phonenumbers.parse(number))
    except NumberParseException:
        return ""


def _international(digits: str) -> tuple[str, ...]:
    """These digits behind a +, in E.164; nothing where no country has such numbers."""
    try:
        number = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return ()
    return (phonenumbers.format_number(number, PhoneNumberFormat.E164),)


def _why_not_possible(number: phonenumbers.PhoneNumber) -> str:
    """Why nobody has this number; "" when somebody may. (Whether it was given out changes month by month.)"""
    match phonenumbers.is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE:
            return ""
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return _("This number is too short for its country.")
        case ValidationResult.TOO_LONG:
            return _("This number is too long for its country.")
    return _("No number of this country has this length.")


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
