"""What is done after answers: all of it, once, in a moment; whatever fails in between."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sso_portal.lib.afterwards import Afterwards


@pytest.fixture
def done() -> list[int]:
    return []


def test_it_is_done_within_a_moment(done):
    Afterwards("tests")(done.extend, 1)

    until = time.monotonic() + 10
    while not done:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_each_is_had_once_however_many_do_them(done):
    afterwards = Afterwards("tests")
    afterwards.pause = 60
    for number in range(2000):
        afterwards(done.extend, number)

    with ThreadPoolExecutor(8) as threads:
        tried = [threads.submit(afterwards.do_all) for _ in range(8)]

    assert [each.exception() for each in tried] == [None] * 8
    assert sorted(done) == list(range(2000))


def test_what_fails_keeps_nothing_else_waiting(done, caplog):
    afterwards = Afterwards("tests")
    afterwards.pause = 60
    afterwards(int, 0)
    afterwards(done.extend, 1)

    afterwards.do_all()

    assert done == [1]
    assert [record.message for record in caplog.records] == ["could not be done afterwards"]


def test_it_is_done_when_it_returns_though_another_thread_does_it(done):
    afterwards, may_end = Afterwards("tests"), threading.Event()
    afterwards.pause = 60
    afterwards(lambda items: (may_end.wait(10), done.extend(items)), 1)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(afterwards.do_all)
        while afterwards.waiting:
            time.sleep(0.001)
        second = threads.submit(lambda: (afterwards.do_all(), list(done)))
        may_end.set()

        assert second.result()[1] == [1]
        assert first.exception() is None


IN_A_PROCESS = """
import multiprocessing, os, sys
from sso_portal.lib.afterwards import Afterwards

def say(words):
    os.write(1, b"".join(words))

def work():
    # As a server's worker does, which imports the portal.
    child = Afterwards("child")
    child.pause = 60
    child(say, b"child ")

afterwards = Afterwards("parent")
afterwards.pause = 60
afterwards(say, b"parent ")
if os.fork() == 0:
    afterwards.pause = 0
    is_done = multiprocessing.Event()
    afterwards(say, b"forked ")
    afterwards(lambda items: is_done.set(), None)
    is_done.wait(30)
    os._exit(0)
os.wait()
worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
"""


def test_it_is_done_in_child_processes_too_and_when_a_process_ends():
    command = [sys.executable, "-c", IN_A_PROCESS]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout == "forked child parent "
