"""Requests that the portal makes: bound to public addresses, to one look at a name, to five seconds and 64 KiB."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sso_portal.lib import outgoing
from sso_portal.lib.addresses import parse_networks
from sso_portal.lib.outgoing import Answer, NotAsked, get, may_be_asked, post_form

# --- Whom -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def public_only(settings):
    settings.OUTGOING_PRIVATE = ()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "192.88.99.1", "203.0.113.9"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"),
        *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "fe80::1", "fc00::1", "fd00:ec2::254"),
        *("ff02::1", "fec0::1", "2001:db8::1", "2002:7f00:1::", "2001::1", "3fff::1", "5f00::1", "4000::1"),
    ],
)
@pytest.mark.usefixtures("public_only")
def test_address_that_is_not_public_is_not_asked(address):
    assert not may_be_asked(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "223.255.255.1", "2606:4700::1111", "2a00:1450:4001::1"]
)
@pytest.mark.usefixtures("public_only")
def test_public_address_is_asked(address):
    assert may_be_asked(ip_address(address))


@given(st.ip_addresses())
def test_whatever_is_asked_is_global_and_nobodys_group(address):
    private, outgoing.settings.OUTGOING_PRIVATE = outgoing.settings.OUTGOING_PRIVATE, ()
    try:
        asked = may_be_asked(address)
    finally:
        outgoing.settings.OUTGOING_PRIVATE = private

    assert not asked or (address.is_global and not address.is_multicast and not address.is_reserved)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_asked_in_the_clothes_of_ipv6(address: IPv4Address):
    number = int(address)
    dressed = [0xFFFF << 32 | number, number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80]

    assert not any(may_be_asked(IPv6Address(each)) for each in dressed if each > 1)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "0.0.0.0", "fd00:ec2::254", "::ffff:10.0.0.1", "224.0.0.1"]
)
def test_some_are_asked_whatever_the_settings_allow(settings, address):
    settings.OUTGOING_PRIVATE = parse_networks(["0.0.0.0/0", "::/0"])

    assert not may_be_asked(ip_address(address))


def test_settings_allow_a_private_network(settings):
    settings.OUTGOING_PRIVATE = parse_networks(["10.20.0.0/16"])

    assert may_be_asked(ip_address("10.20.1.1"))
    assert not may_be_asked(ip_address("10.21.1.1"))


# --- A server that does what a test wants -----------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Keeps what it was asked."""

    daemon_threads = True
    asked: list[tuple[str, str, dict[str, str], bytes]]
    answer: Callable[[BaseHTTPRequestHandler], None]

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        try:
            self.server.answer(self)
        except OSError:
            self.close_connection = True  # hung up on

    do_POST = do_GET  # noqa: N815  (the library's name)

    def log_message(self, format: str, *args: object) -> None:
        pass


def plain(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"ok")


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve()


def serve(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.asked, running.answer = [], plain
        if context:
            running.socket = context.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever, daemon=True, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()


def why_not(url: str) -> str:
    """Why there was no answer, which is to be said within the time."""
    began = time.monotonic()
    with pytest.raises(NotAsked) as refused:
        get(url)
    assert time.monotonic() - began < outgoing.LONGEST + 0.5
    return refused.value.why


@pytest.fixture
def soon(monkeypatch):
    """Nobody wants to wait for five seconds."""
    monkeypatch.setattr(outgoing, "LONGEST", 0.6)


# --- How --------------------------------------------------------------------------------------------------------------


def test_form_is_posted_and_the_answer_read(server):
    answer = post_form(server.url("/told?x=1"), {"logout_token": "a.b+c/d="}, reference="ABCD-EFGH-JKMN")

    assert answer == Answer(200, b"ok")
    method, path, headers, body = server.asked[0]
    assert (method, path, body) == ("POST", "/told?x=1", b"logout_token=a.b%2Bc%2Fd%3D")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["X-Request-Id"] == "ABCD-EFGH-JKMN"
    assert headers["Host"] == f"127.0.0.1:{server.server_address[1]}"


def test_host_keeps_its_name_while_the_address_is_asked(server):
    get(server.url(host="localhost"))

    assert server.asked[0][2]["Host"] == f"localhost:{server.server_address[1]}"


def test_redirect_is_an_answer_and_is_not_followed(server):
    def redirect(handler):
        handler.send_response(302)
        handler.send_header("Location", server.url("/elsewhere"))
        handler.end_headers()

    server.answer = redirect

    assert get(server.url()).status == 302
    assert [path for _, path, _, _ in server.asked] == ["/"]


def test_of_a_huge_answer_64_kib_are_read(server):
    def pour(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(bytes(64 * 1024))

    server.answer = pour

    assert len(get(server.url()).body) == 64 * 1024


def test_packed_answer_is_not_unpacked(server):
    def pack(handler):
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        handler.wfile.write(b"abc")

    server.answer = pack

    assert get(server.url()).body == b"abc"
    assert server.asked[0][2]["Accept-Encoding"] == "identity"


@pytest.mark.usefixtures("soon")
def test_server_that_says_nothing_is_hung_up_on(server):
    server.answer = lambda handler: time.sleep(2)

    assert why_not(server.url()) == "timed out"


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    "drops", [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 500, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500]
)
def test_server_that_drips_is_hung_up_on(server, drops):
    def drip(handler):
        for drop in drops:
            handler.wfile.write(bytes([drop]))
            handler.wfile.flush()
            time.sleep(0.02)

    server.answer = drip

    assert why_not(server.url()) == "timed out"


@pytest.mark.usefixtures("soon")
def test_server_that_promises_for_ever_is_hung_up_on(server):
    def promise(handler):
        while True:
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.02)

    server.answer = promise

    assert why_not(server.url()) in ("timed out", "no connection")


@pytest.mark.usefixtures("soon")
def test_name_that_takes_long_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.8) or [])

    assert why_not("http://crm.example/") == "timed out"


def test_answer_that_is_none_is_no_answer(server):
    server.answer = lambda handler: handler.wfile.write(b"\x00\xff\x00 gibberish\r\n\r\n")

    assert why_not(server.url()) == "no connection"


def test_answer_that_ends_too_early_is_none(server):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "500")
        handler.end_headers()
        handler.wfile.write(b"only this")
        handler.close_connection = True

    server.answer = cut

    assert why_not(server.url()) == "no connection"


def test_closed_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(NotAsked, match="no connection: Connection refused"):
        get(f"http://127.0.0.1:{port}/")


# --- Resolved once ----------------------------------------------------------------------------------------------------


def resolve_to(monkeypatch, *addresses: str) -> list[str]:
    """Let every name resolve to these addresses; which names were asked for."""
    asked = []
    real = socket.getaddrinfo

    def answer(host, port, *rest, **named):
        if ip_literal(host):
            return real(host, port, *rest, **named)
        asked.append(host)
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(family[ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def ip_literal(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def test_name_is_resolved_once(monkeypatch, server):
    asked = resolve_to(monkeypatch, "127.0.0.1")

    get(server.url(host="crm.example"))

    assert asked == ["crm.example"]
    assert server.asked[0][2]["Host"].startswith("crm.example:")


def test_next_address_of_a_name_is_tried(monkeypatch, server):
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")

    assert get(server.url(host="crm.example")).status == 200


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:8.8.8.8"]])
@pytest.mark.usefixtures("public_only")
def test_name_that_leads_inside_is_not_asked(monkeypatch, addresses):
    resolve_to(monkeypatch, *addresses)

    assert why_not("http://crm.example/") == "not public"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
@pytest.mark.usefixtures("public_only")
def test_this_machine_is_not_asked_however_it_is_spelled(host):
    assert why_not(f"http://{host}:9/") in ("not public", "unknown host")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://crm.example/", "not https"),
        ("file:///etc/passwd", "bad address"),
        ("https://", "bad address"),
        ("https://user:secret@crm.example/", "bad address"),
        ("https://crm.example:0/", "bad address"),
        ("https://crm.example:99999/", "bad address"),
        ("https://[::1/", "bad address"),
        ("https://crm.example/\r\nX: y", "bad address"),
        ("https://crm.example/ü", "bad address"),
        ("https://" + "a" * 70 + ".example/", "unknown host"),
    ],
)
def test_address_that_is_none_is_not_asked(url, why):
    assert why_not(url) == why


@given(st.text(max_size=40))
def test_no_text_breaks_it(text):
    with pytest.raises(NotAsked):
        get(f"https:{text}".replace("/", ""))


def test_http_is_for_the_demo(settings, server):
    settings.DEMO = False

    assert why_not(server.url()) == "not https"


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tls_server(tmp_path, monkeypatch) -> Iterator[Server]:
    """A server whose certificate, of an authority that is trusted here, is for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    outgoing._trust.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    yield from serve(context)
    outgoing._trust.cache_clear()


def test_certificate_is_checked_against_the_name_not_the_address(tls_server):
    assert get(tls_server.url(scheme="https", host="localhost")).body == b"ok"


def test_certificate_of_another_name_is_refused(tls_server, monkeypatch):
    resolve_to(monkeypatch, "127.0.0.1")

    assert why_not(tls_server.url(scheme="https", host="crm.example")) == "bad certificate"
    assert tls_server.asked == []


def test_certificate_that_nobody_vouches_for_is_refused(tls_server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    outgoing._trust.cache_clear()

    assert why_not(tls_server.url(scheme="https", host="localhost")) == "bad certificate"


@pytest.mark.usefixtures("soon")
def test_silence_in_the_handshake_is_hung_up_on():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert why_not(f"https://127.0.0.1:{silent.getsockname()[1]}/") == "timed out"


@pytest.mark.usefixtures("soon")
def test_server_that_drips_under_tls_is_hung_up_on(tls_server):
    def drip(handler):
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.02)

    tls_server.answer = drip

    assert why_not(tls_server.url(scheme="https", host="localhost")) == "timed out"
