"""Log-outs, passed on: relying parties are told that a session has ended (OpenID Connect Back-Channel Logout 1.0).

A session is ended below, in `groups`, which knows nothing of relying parties. This looks for ended sessions that some
party learned of, and tells each: tries are claimed by one conditional update, committed before the request goes out, so
that two workers never send the same at once, and no transaction is open while the other side takes its time.
"""

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from sso_portal.lib import outgoing
from sso_portal.lib.outgoing import NotAsked
from sso_portal.lib.secrets import new_readable_code
from sso_portal.lib.web import Caller
from tokens import signing_keys
from tokens.models import Handoff
from tokens.models.handoff import FAILURE_LENGTH

ACTION = "logout.tell"
TYP = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFETIME = timedelta(minutes=2)  # as the specification recommends
LEASE = timedelta(seconds=60)  # of a try: far longer than a request may take
PAUSES = [  # after the first try that fails, the second …; after one more it is given up
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
]
LATELY = timedelta(minutes=10)
ANSWERED = "status"  # begins the failure of a try that was answered; any other means: out of reach
HOPELESS = ("relying party inactive", "no address")
log = structlog.get_logger(__name__)


def due(
    *, most: int, all_since: timedelta | None = LATELY, but_for: Collection[int] = ()
) -> dict[int, list[Handoff]]:
    """Whom to tell now, by relying party, but for these parties; `most` in all.

    Of log-outs that happened lately (None: ever), and of those whose next try has come.
    """
    since = timezone.now() - all_since if all_since else None
    to_be_told = Handoff.objects.to_be_told().exclude(relying_party__in=but_for)
    untried = to_be_told.filter(next_try_at=None).logged_out(since=since)
    again = to_be_told.filter(next_try_at__lte=Now())
    found: list[Handoff] = []
    for some in (again.order_by("next_try_at"), untried.order_by("pk")):
        rows = some.first_of_their_kind().select_related("relying_party__client", "session__agent__group")
        found += rows[: most - len(found)]
    parties: dict[int, list[Handoff]] = {}
    for handoff in found:
        parties.setdefault(handoff.relying_party_id, []).append(handoff)
    return parties


def tell_all(handoffs: Sequence[Handoff], *, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Tell one relying party of these log-outs, one after the other; how many it took.

    When the party is out of reach the rest is put off, so that nobody else's wait for it.
    """
    told = 0
    for number, handoff in enumerate(handoffs, 1):
        if is_stopping():
            break
        failure = tell(handoff)
        told += failure == ""
        if failure and word_of(failure) not in (ANSWERED, *HOPELESS):
            rest = [each.pk for each in handoffs[number:]]
            Handoff.objects.to_be_told().filter(pk__in=rest).put_off(PAUSES[0])
            break
    return told


def tell(handoff: Handoff) -> str | None:
    """Tell the relying party once that this session is over; why it did not take it, "" when it did.

    None when another worker is at it, or was.
    """
    if not Handoff.objects.claim(handoff, lease=LEASE):
        return None
    handoff.tries += 1
    reference = new_readable_code()  # of this try: in the log, in the event, and for the other side's log
    with structlog.contextvars.bound_contextvars(reference=reference):
        failure = _why_not_taken(handoff, reference=reference)[:FAILURE_LENGTH]
        _settle(handoff, failure, reference=reference)
    return failure


def word_of(failure: str) -> str:
    """What kind of failure it was, of one as it is kept with a handoff."""
    return failure.partition(":")[0]


def answer_of(failure: str) -> str:
    """What else is known of a failure: the status that came back, the operating system's word."""
    return failure.partition(": ")[2]


def logout_token(handoff: Handoff) -> str:
    """What the relying party is sent: whose session it was, signed (section 2.4)."""
    now, party = int(time.time()), handoff.relying_party
    claims = {
        "iss": settings.PORTAL_URL,
        "aud": party.identifier,
        "sub": handoff.session.agent.subject,
        "sid": handoff.session.sid,
        "iat": now,
        "exp": now + int(TOKEN_LIFETIME.total_seconds()),
        "jti": secrets.token_urlsafe(
            16
        ),  # a new one a try: the party may have taken the last, and its answer was lost
        "events": {EVENT: {}},
    }
    return signing_keys.sign(claims, algorithm=party.algorithm, typ=TYP)


def _why_not_taken(handoff: Handoff, *, reference: str) -> str:
    party = handoff.relying_party
    if not party.is_active:
        return HOPELESS[0]
    if not party.backchannel_logout_uri:
        return HOPELESS[1]
    try:
        form = {"logout_token": logout_token(handoff)}
        answer = outgoing.post_form(party.backchannel_logout_uri, form, reference=reference)
    except NotAsked as unanswered:
        return str(unanswered)
    return "" if 200 <= answer.status < 300 else f"{ANSWERED}: {answer.status}"


def _settle(handoff: Handoff, failure: str, *, reference: str) -> None:
    """Write down what came of a try."""
    if failure:
        log.warning(
            "logout.not_told",
            relying_party=handoff.relying_party.identifier,
            sid=handoff.session.sid,
            tries=handoff.tries,
            failure=failure,
        )
    is_last = handoff.tries > len(PAUSES) or failure in HOPELESS
    if failure and not is_last:
        # Unless somebody took it over meanwhile.
        mine = Handoff.objects.to_be_told().filter(pk=handoff.pk, tries=handoff.tries)
        mine.update(failure=failure, next_try_at=Now() + PAUSES[handoff.tries - 1])
        return
    # With all that would tell the same party of the same sid: the sessions that this one renewed, or was renewed by.
    same = Handoff.objects.to_be_told().filter(
        relying_party=handoff.relying_party, session__sid=handoff.session.sid
    )
    ended = "given_up_at" if failure else "told_at"
    with transaction.atomic():
        if same.update(**{ended: Now(), "failure": failure, "next_try_at": None}):
            _record(handoff, failure, reference=reference)


def _record(handoff: Handoff, failure: str, *, reference: str) -> None:
    agent = handoff.session.agent
    details = {"relying_party": handoff.relying_party.identifier, "tries": handoff.tries}
    audit.record(
        ACTION,
        caller=Caller(reference, None, "", "worker"),
        actor="portal",
        refused_for=failure and "not_told",
        group=agent.group,
        client=handoff.relying_party.client,
        agent=agent,
        about=handoff.session.sid,
        details=details | ({"why": word_of(failure), "answer": answer_of(failure)} if failure else {}),
    )
