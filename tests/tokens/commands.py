"""Management commands as tests run them."""

from io import StringIO

from django.core.management import call_command


def run(name: str, *arguments: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def environment() -> dict[str, str]:
    """The names and values of `demo --env`."""
    return dict(line.split("=", 1) for line in run("demo", "--env").splitlines())
