"""A relying party that listens: a real HTTP server on the loopback, to which log-outs are told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass
class Listener:
    """What it heard, and how it answers: a status, or whatever `says` returns the next time."""

    address: str = ""
    heard: list[dict[str, list[str]]] = field(default_factory=list)
    status: int = 200
    takes: float = 0  # seconds
    says: Callable[[], int] | None = None

    @property
    def tokens(self) -> list[str]:
        return [token for form in self.heard for token in form["logout_token"]]

    def wait_for(self, number: int, *, within: float = 60) -> bool:
        """Whether it has heard so many within this time."""
        until = time.monotonic() + within
        while len(self.heard) < number and time.monotonic() < until:
            time.sleep(0.02)
        return len(self.heard) >= number


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on a port of its own."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            listener.heard.append(
                parse_qs(body)
                | {"path": [self.path], "type": [self.headers["Content-Type"]]}
                | {"reference": [self.headers["X-Request-Id"]]}
            )
            time.sleep(listener.takes)
            status = listener.says() if listener.says else listener.status
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.send_header("Location", f"{listener.address}elsewhere")
                self.end_headers()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        listener.address = f"http://127.0.0.1:{server.server_address[1]}/"
        threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
        yield listener
        server.shutdown()
