"""What a browser's own description says, in two words that its owner recognises."""

from django.utils.translation import gettext as _

# The first that occurs decides: Edge calls itself Chrome too, and Chrome calls itself Safari.
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
]
SYSTEMS = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
]


def device_of(agent_header: str) -> str:
    """The device in simple words: `Firefox on Windows`."""
    browser, system = _first(BROWSERS, agent_header), _first(SYSTEMS, agent_header)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Another device")


def _first(signs: list[tuple[str, str]], text: str) -> str:
    return next((name for sign, name in signs if sign in text), "")
