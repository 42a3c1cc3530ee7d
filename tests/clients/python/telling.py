"""What every client in Python begins with: telling the test what it did, and asking it for a browser."""

import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any


def begin(name: str) -> None:
    """Tell which version of the client this is."""
    _tell(version=version(name))


def did(what: str) -> None:
    """Tell what worked."""
    _tell(did=what)


def visit(address: str, until: str = "") -> str:
    """Send a browser there; the address that it ends at."""
    _tell(visit=address, until=until)
    return input()


def refused(kind: type[Exception], call: Callable[[], object]) -> Any:
    """The exception of this kind that the call ends with."""
    try:
        call()
    except kind as why:
        return why
    raise AssertionError(f"No {kind.__name__} was raised.")


def _tell(**told: str) -> None:
    print(json.dumps(told), flush=True)
