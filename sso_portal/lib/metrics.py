"""What is counted, for Prometheus. Labels are words of ours, never what a request says: their number is bounded.

Counting costs a few microseconds and no statement. Where several processes serve, `sso_portal.lib.counts` lets each of
them tell what all have counted.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

COUNTED = CollectorRegistry()
AGENTS_DOOR = "agents"
NEEDS_SIGN_IN = "sign_in"  # beside the outcomes of events: sent to the sign-in page first
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
WAITS = (0.01, 0.1, 0.5, 1.0, 1.9)  # who waits longer is sent away

requests = Counter(
    "portal_requests", "Requests answered", ["door", "route", "method", "status"], registry=COUNTED
)
request_seconds = Histogram(
    "portal_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=COUNTED
)
pops = Counter(
    "portal_pops", "Pops: issued (ok), sent to sign in, refused", ["outcome", "reason"], registry=COUNTED
)
logins = Counter(
    "portal_logins", "Logins issued at other doors", ["door", "outcome", "reason"], registry=COUNTED
)
redemptions = Counter(
    "portal_redemptions", "Logins redeemed", ["door", "outcome", "reason"], registry=COUNTED
)
sign_ins = Counter("portal_sign_ins", "Sign-ins", ["who", "outcome", "reason"], registry=COUNTED)
second_factors = Counter(
    "portal_second_factors", "Second factors that were shown", ["who", "outcome", "reason"], registry=COUNTED
)
events = Counter("portal_events", "Any other event", ["action", "outcome", "reason"], registry=COUNTED)
locked_tries = Counter("portal_locked_tries", "Tries for a name that is locked", registry=COUNTED)
password_wait = Histogram(
    "portal_password_wait_seconds", "Wait for a password's turn to be hashed", buckets=WAITS, registry=COUNTED
)


def count_request(*, door: str, route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered. Its `door`, `route` and `method` are words of ours."""
    _requests_of(door, route, method, status).inc()
    _seconds_of(route).observe(seconds)


@cache  # looking for a series costs more than counting; there are as many as labels have words
def _requests_of(door: str, route: str, method: str, status: int) -> Counter:
    return requests.labels(door, route, method, status)


@cache
def _seconds_of(route: str) -> Histogram:
    return request_seconds.labels(route)


def count_event(*, action: str, outcome: str, reason: str = "", door: str = "", times: int = 1) -> None:
    """Count what the audit log says of an act, or would: a refusal counts also where it is not written down."""
    _events_of(action, outcome, reason, door).inc(times)


@cache
def _events_of(action: str, outcome: str, reason: str, door: str) -> Counter:
    who, _, act = action.partition(".")
    if action == "login.issue" and door == AGENTS_DOOR:
        return pops.labels(outcome, reason)
    if action == "login.issue":
        return logins.labels(door, outcome, reason)
    if action == "login.redeem":
        return redemptions.labels(door, outcome, reason)
    if act == "sign_in":
        return sign_ins.labels(who, outcome, reason)
    if act == "second_factor":
        return second_factors.labels(who, outcome, reason)
    return events.labels(action, outcome, reason)
