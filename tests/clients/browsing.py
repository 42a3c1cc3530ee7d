"""A browser without a window: it follows redirects, keeps cookies, and signs an agent in at the portal's real page."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

TIMEOUT = 20  # seconds


class Browser:
    """Belongs to one agent of the demo."""

    def __init__(self, *, username: str, password: str) -> None:
        self.session = requests.Session()
        self.session.trust_env = False  # the portal is on this machine
        self.said = {"username": username, "password": password}

    def visit(self, address: str, *, until: str = "") -> str:
        """Go there, sign in or press the one button where a page asks, and return where that ends.

        An address that begins with `until` is where it ends, too: nobody listens there.
        """
        for _ in range(20):
            if until and address.startswith(until):
                return address
            answer = self.session.get(address, allow_redirects=False, timeout=TIMEOUT)
            page = _Page.of(answer.text) if "text/html" in answer.headers.get("Content-Type", "") else None
            if page and page.asks and not answer.is_redirect:
                answer = self._submit(page, answer)
            if not answer.is_redirect:
                assert answer.ok, f"{address} answered {answer.status_code}: {answer.text}"
                return address
            address = urljoin(answer.url, answer.headers["Location"])
        raise AssertionError(f"Redirected without an end, at last to {address}")

    def _submit(self, page: "_Page", shown: requests.Response) -> requests.Response:
        is_told = shown.headers.get("Referrer-Policy", "") != "no-referrer"  # as browsers do (Fetch, 3.2)
        origin = "/".join(shown.url.split("/")[:3]) if is_told else "null"
        body = page.fields | {name: said for name, said in self.said.items() if name in page.fields}
        action = urljoin(shown.url, page.action)
        headers = {"Origin": origin}
        return self.session.post(action, data=body, headers=headers, allow_redirects=False, timeout=TIMEOUT)


class _Page(HTMLParser):
    """The first form that is posted, with its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.asks = False
        self._is_inside = False

    @classmethod
    def of(cls, text: str) -> "_Page":
        page = cls()
        page.feed(text)
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post" and not self.asks:
            self.action, self.asks, self._is_inside = given.get("action", ""), True, True
        elif tag in ("input", "button") and self._is_inside and "name" in given:
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
