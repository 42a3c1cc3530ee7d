"""The other samples in deploy/ do what nginx's does: tell the nodes who calls, and go past a node that ends."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.environment import ROOT
from tests.live.books import digest_of
from tests.live.load import Line, pop_path, token_of
from tests.live.report import Table
from tests.live.world import CLIENT_DOMAIN, PORTAL_HOST, Service, World, free_port, program
from tests.nodes.pops import CALM, popping

FORGED = "203.0.113.7"


def caddy(world: World) -> Service:
    port = free_port()
    environment = {
        "HOME": str(world.folder),
        "PORTAL_HOSTS": f"https://{PORTAL_HOST}:{port}, https://*.{CLIENT_DOMAIN}:{port}",
        "NODES": " ".join(f"127.0.0.1:{node.port}" for node in world.nodes),
        "CERTIFICATE": str(world.certificate),
        "KEY": str(world.folder / "key.pem"),
        "BIND": "127.0.0.1",
        "AUTO_HTTPS": "off",
    }
    run = [str(ROOT / "var" / "deploy-check" / "bin" / "caddy"), "run", "--adapter", "caddyfile", "--config"]
    return service(world, "caddy", port, environment, [*run, str(ROOT / "deploy" / "Caddyfile")])


def haproxy(world: World) -> Service:
    port = free_port()
    both = world.folder / "both.pem"
    both.write_bytes(world.certificate.read_bytes() + (world.folder / "key.pem").read_bytes())
    environment = {
        "PORTAL_HOST": PORTAL_HOST,
        "CLIENT_DOMAIN": CLIENT_DOMAIN,
        "NODE_1": f"127.0.0.1:{world.nodes[0].port}",
        "NODE_2": f"127.0.0.1:{world.nodes[1].port}",
        "LISTEN": f"127.0.0.1:{port}",
        "CERTIFICATE": str(both),
    }
    return service(
        world, "haproxy", port, environment, [program("haproxy"), "-f", str(ROOT / "deploy" / "haproxy.cfg")]
    )


def service(world: World, name: str, port: int, environment: dict[str, str], command: list[str]) -> Service:
    given = [f"{name}={value}" for name, value in environment.items()]
    return Service(["env", *given, *command], port, world.folder / f"{name}.log")


@pytest.mark.parametrize("sample", [caddy, haproxy])
def test_a_proxy_says_who_calls_and_goes_past_a_node_that_ends(
    world: World, table: Table, sample: Callable[[World], Service]
) -> None:
    front = sample(world)
    front.start()
    try:
        there = replace(world, front=front)
        line = Line(there)
        answer = line.ask(
            "GET",
            pop_path(there),
            headers={
                "Cookie": f"__Host-agent={world.people['sessions'][0]}",
                "X-Forwarded-For": FORGED,
                "X_Forwarded_For": FORGED,
                "Forwarded": f"for={FORGED}",
            },
        )
        event = f"token:{digest_of(token_of(answer))[:12]}"
        assert world.database.ask("SELECT address FROM accounts_event WHERE object = %s", (event,)) == [
            (line.address,)
        ]
        with popping(there, table, f"{sample.__name__} in front: a node drained, and back") as pops:
            world.nodes[0].stop()
            pops.go_on(CALM)
            world.nodes[0].start()
        assert not pops.ledger.bad, pops.ledger.bad[:3]
    finally:
        front.end()
