"""A call center of the largest size that the console is meant for, in the database of DATABASE_URL."""

from typing import Any

from django.db import connection, transaction

from accounts.models import Administrator
from groups.models import Campaign, Client, Department, DialledNumber, Entitlement, Group, Membership
from tokens.demo_world import ADMIN

AGENTS, CLIENTS, EVENTS, NUMBERS = 10_000, 50, 1_000_000, 10_000
DAYS = 30  # the events are spread over


@transaction.atomic
def build(number: int = 9000) -> Group:
    """The group with this number: agents, clients, sessions, dialled numbers and a month of events."""
    group = Group.objects.create(pk=number, code="large", name="Large Call Center")
    Membership.objects.create(
        administrator=Administrator.objects.get(email=ADMIN.name), group=group, role="owner"
    )
    clients = Client.objects.bulk_create(
        Client(subdomain=f"large{i}", name=f"Large Client {i}", login_url=f"https://large{i}.example/login")
        for i in range(CLIENTS)
    )
    Department.objects.bulk_create(
        Department(client=c, number=n, name=f"Department {n}") for c in clients for n in (1, 2)
    )
    Campaign.objects.bulk_create(
        Campaign(client=c, number=n, name=f"Campaign {n}") for c in clients for n in range(1, 6)
    )
    Entitlement.objects.bulk_create(Entitlement(group=group, client=c) for c in clients)
    DialledNumber.objects.bulk_create(
        DialledNumber(group=group, number=f"+1800{i:07}", client=clients[i % CLIENTS]) for i in range(NUMBERS)
    )
    for statement in (AGENT_ROWS, LISTED_CLIENTS, SESSIONS, EVENT_ROWS):
        _run(statement, group=number, agents=AGENTS, events=EVENTS, days=DAYS)
    return group


AGENT_ROWS = """
    INSERT INTO groups_agent (group_id, subject, username, username_key, full_name, email, password,
        must_choose_password, activation_digest, status, all_clients, provisioned_by, last_signed_in_at, last_address)
    SELECT %(group)s, 'large' || i, 'agent' || i, 'agent' || i,
        (ARRAY['Amara', 'Bilal', 'Carla', 'Dana', 'Emil'])[1 + i %% 5] || ' ' ||
        (ARRAY['Adeyemi', 'Bauer', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia'])[1 + i %% 7] || ' ' || i,
        '', CASE WHEN i %% 20 = 0 THEN '' ELSE 'unusable' END, false, '',
        CASE WHEN i %% 50 = 0 THEN 'disabled' WHEN i %% 61 = 0 THEN 'suspended' ELSE 'active' END, i %% 3 <> 0,
        'administrator', CASE WHEN i %% 10 = 0 THEN NULL ELSE now() - i * interval '3 minutes' END, '203.0.113.7'
    FROM generate_series(1, %(agents)s) AS i
"""
LISTED_CLIENTS = """
    INSERT INTO groups_agententitlement (agent_id, entitlement_id)
    SELECT agent.id, entitlement.id FROM groups_agent AS agent JOIN groups_entitlement AS entitlement
        ON entitlement.group_id = agent.group_id AND entitlement.id %% 25 = agent.id %% 25
    WHERE agent.group_id = %(group)s AND NOT agent.all_clients
"""
SESSIONS = """
    INSERT INTO groups_agentsession (digest, sid, agent_id, methods, started_at, last_seen_at, idle_at, ends_at,
        end_reason, address, agent_header)
    SELECT md5(id::text), 's' || id, id, '["pwd"]', now() - interval '1 hour', now() - interval '2 minutes',
        now() + interval '28 minutes', now() + interval '8 hours', '', '203.0.113.7', 'bench'
    FROM groups_agent WHERE group_id = %(group)s AND id %% 4 = 0 AND status = 'active'
"""
EVENT_ROWS = """
    INSERT INTO accounts_event (at, reference, door, actor, action, outcome, reason, group_id, client, agent, object,
        address, agent_header, details)
    SELECT now() - (%(events)s - i) * (%(days)s * interval '1 day' / %(events)s), 'LARGE-' || i, 'agents',
        'agent:large' || 1 + i %% %(agents)s,
        CASE WHEN i %% 10 < 4 THEN 'login.issue' WHEN i %% 10 < 8 THEN 'login.redeem' ELSE 'agent.sign_in' END,
        CASE WHEN i %% 25 = 0 THEN 'refused' ELSE 'ok' END, CASE WHEN i %% 25 = 0 THEN 'client_unavailable' ELSE '' END,
        %(group)s, 'large' || i %% 50, 'large' || 1 + i %% %(agents)s,
        CASE WHEN i %% 10 < 8 THEN 'token:' || substr(md5((i / 10)::text), 1, 12) ELSE '' END, '203.0.113.7', 'bench',
        '{"kind": "hand_off", "call": {"did": "0101"}}'
    FROM generate_series(1, %(events)s) AS i
"""


def _run(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(statement, values)
