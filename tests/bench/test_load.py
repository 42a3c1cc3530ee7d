"""What is made of what wrk tells."""

import re

import pytest

from bench import rows
from bench.load import SCRIPT, Load, parse
from bench.machine import Failed

TOLD = """Running 5s test @ http://127.0.0.1:8000
MEASURED {"requests": 1000, "seconds": 5.0, "p50": 0.004, "p99": 0.02, "bad": %d}
WORST %s
"""


def test_what_was_told_is_read():
    load = parse(TOLD % (0, ""), kind="pop", processor_time=0.25)

    assert load == Load(requests=1000, seconds=5.0, p50=0.004, p99=0.02, processor_time=0.25)


def test_one_wrong_answer_makes_it_worth_nothing():
    with pytest.raises(Failed, match=r"pop: 1 of 1,000 requests(.|\n)*429 Too many"):
        parse(TOLD % (1, "429 Too many"), kind="pop", processor_time=0.25)


def test_nothing_told_is_no_measurement():
    with pytest.raises(Failed, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:8000", kind="pop", processor_time=0.0)


def test_nothing_answered_is_no_measurement():
    with pytest.raises(Failed, match="nothing was answered"):
        parse(TOLD.replace("1000", "0") % (0, ""), kind="pop", processor_time=0.0)


def test_script_and_rows_count_the_same():
    named = re.search(r"local CLIENTS, PARTIES, KEYS = (\d+), (\d+), (\d+)", SCRIPT.read_text())

    assert named is not None
    assert [int(number) for number in named.groups()] == [rows.CLIENTS, rows.PARTIES, rows.KEYS]
