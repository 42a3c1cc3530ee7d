"""What is read from /proc."""

import os
import subprocess
import sys

from bench import machine


def test_processor_time_counts_children_that_ended():
    before = machine.processor_time_of(os.getpid())

    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)

    # The kernel tells it in ticks of ten milliseconds, each of its four sums rounded by itself.
    assert machine.processor_time_of(os.getpid()) >= before + 0.4


def test_tree_holds_children():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    try:
        assert child.pid in machine.tree_of(os.getpid())
    finally:
        child.communicate()


def test_memory_is_in_bytes():
    assert 5 * 1024 * 1024 < machine.memory_of(os.getpid()) < 50 * 1024 * 1024 * 1024
