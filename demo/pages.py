"""The demo CRM's pages. Whatever is not markup of ours is escaped by the one function that fills it in."""

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from demo.configuration import Company
from demo.customers import Customer, customer_calling_from
from demo.redeeming import Login

FRAME = (Path(__file__).parent / "crm.html").read_text(encoding="utf-8")
FACTORS = {
    "pwd": "password",
    "otp": "one-time code",
    "hwk": "passkey",
    "swk": "passkey",
    "mfa": "two factors",
}

AGENT = """
<div class="agent"><p><bdi>$fullname</bdi><bdi class="username">$username</bdi></p>
<form method="post" action="/sign-out"><button>Sign out</button></form></div>
"""

CALL = """
<section class="call" aria-labelledby="call">
<h1 id="call"><span class="label">Customer on the line</span> <bdi class="number">$cid</bdi></h1>
$facts
</section>
"""

NO_CALL = """
<section class="call" aria-labelledby="call">
<h1 id="call"><span class="label">No caller number</span> Ready for the next call</h1>
$facts
</section>
"""

CUSTOMER = """
<section class="card" aria-labelledby="customer">
<h2 id="customer"><span class="label">Customer record</span> $name</h2>
$facts
<h3>Earlier contacts</h3>
<ol class="contacts">$contacts</ol>
</section>
"""

CONTACT = """
<li><span class="when">$when</span> <span class="how">$how</span> <span class="what">$what</span></li>
"""

NOBODY = """
<section class="card empty">
<h2>No customer open</h2>
<p>This login came without a caller number. When the telephone system sends one, the customer opens here by itself.</p>
</section>
"""

ARRIVAL = """
<section class="call" aria-labelledby="call">
<h1 id="call"><span class="label">Came from billing</span> <bdi>$fullname</bdi></h1>
$facts
</section>
"""

LOGIN = """
<section class="card" aria-labelledby="login">
<h2 id="login">What the portal told us</h2>
$facts
</section>
"""

NOTICE = """
<section class="card notice">
<h1>$heading</h1>
<p>$text</p>
<p><a class="button" href="$address">$link</a></p>
</section>
"""

COMPANIES = """
<section class="card notice">
<h1>Companies on this server</h1>
<p>One demonstration CRM plays several client companies. Each has an address of its own, and agents reach it through the
portal.</p>
<ul class="companies">$entries</ul>
<p><a class="button" href="$door">Go to the portal</a></p>
</section>
"""


class Html(str):
    """Markup that is ready to be sent."""

    __slots__ = ()


NOTHING = Html("")


def fill(markup: str, **values: object) -> Html:
    """Put values into the markup; all but Html is escaped."""
    return Html(Template(markup).substitute({name: _safe(value) for name, value in values.items()}).strip())


def _safe(value: object) -> Html:
    return value if isinstance(value, Html) else Html(escape(str(value)))


def _together(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def frame(
    body: Html, *, title: str, company: Company | None, agent: Html = NOTHING, desk: str = "Customer desk"
) -> Html:
    """Return a whole page in the company's name and colour."""
    name, colour = (company.name, company.subdomain) if company else ("Demo CRM", "none")
    return fill(
        FRAME, title=f"{title} · {name}", company=name, colour=colour, agent=agent, body=body, desk=desk
    )


def customer_screen(login: Login, *, company: Company) -> Html:
    """Return the screen an agent works on: the call, the customer, and how the agent came in."""
    call = fill(CALL if login.cid else NO_CALL, cid=login.cid, facts=_call_facts(login))
    customer = _customer(customer_calling_from(login.cid)) if login.cid else Html(NOBODY)
    body = Html(f'{call}<div class="columns">{customer}{_login(login)}</div>')
    agent = fill(AGENT, fullname=login.fullname or login.username, username=login.username)
    return frame(body, title=login.cid or "Ready", company=company, agent=agent)


def own_area(login: Login, *, company: Company) -> Html:
    """Return the screen of one of the company's own people: who he is, and where he was going."""
    place = f"/{login.destination}" if login.destination else "the start page"
    arrival = fill(ARRIVAL, fullname=login.fullname, facts=_facts(("Opened at", place)))
    told = fill(
        LOGIN,
        facts=_facts(
            ("Person", login.fullname or "not sent"),
            ("Known as", login.subject),
            ("E-mail", login.email or "none"),
            ("Signed in with", ", ".join(_factor(method) for method in login.amr) or "no factor seen"),
            ("Link opened", "not known" if login.auth_time is None else _moment(login.auth_time)),
            ("Login issued", _moment(login.issued_at)),
            ("Redeemed here", _moment(login.redeemed_at)),
        ),
    )
    who = fill(AGENT, fullname=login.fullname or login.username, username=login.username)
    return frame(
        Html(f'{arrival}<div class="columns">{told}</div>'),
        title=place,
        company=company,
        agent=who,
        desk="Company area",
    )


def not_signed_in(company: Company, *, door: str) -> Html:
    """Return the page for somebody who came without a login."""
    return notice(
        "Agents arrive through the portal",
        f"There is no password to type here. Open {company.name} from the portal, or take a call: "
        "it opens this desk on the customer, already signed in.",
        company=company,
        address=door,
        link="Go to the portal",
    )


def ended_by_portal(company: Company, *, door: str) -> Html:
    """Return the page for somebody whose session at the portal is over, so that it is over here."""
    return notice(
        "Ended by the portal",
        f"Your session at the portal has ended, and the portal told {company.name} at once: this desk is closed. "
        "Sign in at the portal to go on.",
        company=company,
        address=door,
        link="Go to the portal",
    )


def notice(heading: str, text: str, *, company: Company | None, address: str, link: str) -> Html:
    """Return a page that says one thing and where to go next."""
    body = fill(NOTICE, heading=heading, text=text, address=address, link=link)
    return frame(body, title=heading, company=company)


def companies_page(companies: Iterable[tuple[Company, str]], *, door: str) -> Html:
    """Return the list of companies, each with its address."""
    entry = '<li data-company="$colour"><a href="$address">$name</a> <span>$address</span></li>'
    entries = _together(
        fill(entry, colour=company.subdomain, name=company.name, address=address)
        for company, address in companies
    )
    return frame(fill(COMPANIES, entries=entries, door=door), title="Companies", company=None)


def _call_facts(login: Login) -> Html:
    return _facts(
        ("They dialled", login.did or "not sent"),
        ("Campaign", login.campaign_id or "not sent"),
        ("Call", login.call_id or "not sent"),
        ("Destination", login.destination or "customer screen"),
    )


def _customer(customer: Customer) -> Html:
    facts = _facts(("Account", customer.account), ("Plan", customer.plan), ("Customer since", customer.since))
    contacts = _together(fill(CONTACT, when=w, how=h, what=what) for w, h, what in customer.contacts)
    return fill(CUSTOMER, name=customer.name, facts=facts, contacts=contacts)


def _login(login: Login) -> Html:
    campaigns = "all" if login.campaigns is None else _listed(login.campaigns)
    return fill(
        LOGIN,
        facts=_facts(
            ("Agent", login.fullname or "not sent"),
            ("Username", login.username),
            ("E-mail", login.email or "none"),
            ("Group", _group(login)),
            ("Department" if len(login.departments) == 1 else "Departments", _listed(login.departments)),
            ("Campaigns", campaigns),
            ("Signed in with", ", ".join(_factor(method) for method in login.amr) or "no factor seen"),
            ("Signed in at", "not known" if login.auth_time is None else _moment(login.auth_time)),
            ("Login issued", _moment(login.issued_at)),
            ("Redeemed here", _moment(login.redeemed_at)),
        ),
    )


def _group(login: Login) -> Html:
    known_as = f"{login.group_code}, id {login.group_id}"
    return fill('$name <span class="beside">$known_as</span>', name=login.group_name, known_as=known_as)


def _listed(numbers: list[str]) -> str:
    return ", ".join(numbers) or "none"


def _factor(method: str) -> str:
    return f"{FACTORS[method]} ({method})" if method in FACTORS else method


def _facts(*pairs: tuple[str, object]) -> Html:
    rows = _together(fill("<div><dt>$name</dt><dd>$value</dd></div>", name=n, value=v) for n, v in pairs)
    return fill('<dl class="facts">$rows</dl>', rows=rows)


def _moment(epoch: int) -> Html:
    at = datetime.fromtimestamp(epoch, tz=UTC)
    return fill(
        '<time datetime="$machine">$clock <span class="beside">UTC, $day</span></time>',
        machine=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        day=f"{at.day} {at:%b %Y}",
        clock=f"{at:%H:%M:%S}",
    )
