"""What is read of the token endpoint."""

from accounts.models import Event, Outcome

PATH = "/oauth/token"


def why_of_last(action: str) -> str:
    event = Event.objects.filter(action=action, outcome=Outcome.REFUSED).latest("pk")
    return event.details["why"]
