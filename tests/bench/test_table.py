"""Results of several rounds."""

import pytest

from bench.load import Load
from bench.table import Kind, results
from bench.world import Run

FLOOR = Kind("floor", "floor", server="floor")
POP = Kind("pop", "pop", goal=0.8)
BOTH = Kind("pop + redemption", "pop_and_redeem", requests=2)


def ran(rate, *, server=1.0, database=0.5):
    load = Load(requests=rate * 2, seconds=2.0, p50=0.004, p99=0.01, processor_time=0.2)
    return Run(load, server_time=server, database_time=database)


def test_ratio_is_to_the_floors_of_the_same_round():
    rounds = [
        [ran(900), ran(800), ran(1100)],  # a machine of its own
        [ran(450), ran(400), ran(550)],  # one that does something else
        [ran(100), ran(90), ran(100)],
    ]

    floor, pop = results([FLOOR, POP, FLOOR], rounds)

    assert (floor.rate, floor.ratio) == (500, 1)
    assert (pop.rate, pop.ratio, pop.least, pop.most) == (400, 0.8, 0.8, 0.9)


def test_two_requests_can_be_one():
    _, both = results([FLOOR, BOTH], [[ran(1000), ran(800, server=1.6)]])

    assert (both.rate, both.ratio) == (400, 0.4)
    assert both.server == pytest.approx(2)  # milliseconds of the two


def test_processor_time_is_of_one_request():
    _, pop = results([FLOOR, POP], [[ran(1000), ran(500, server=1.0, database=0.5)]])

    assert (pop.server, pop.database, pop.load) == (1, 0.5, 0.1)
