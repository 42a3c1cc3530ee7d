"""What need not be done before an answer leaves: done together, ten times a second, by a thread of its own.

Counting a call and writing its line, each by itself and in between, would cost a fifth of a pop: what does them is out
of the processor's cache by then, and much of it need be done but once for many. What waits is done when the process
ends, too, unless it is killed.
"""

import contextlib
import functools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any

PAUSE = 0.1  # seconds


class Afterwards:
    """What waits, and who is to have it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pause = PAUSE
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)  # the thread, and what waits for it, stay behind
        # Not `atexit`, which a server's worker that `multiprocessing` began goes past.
        Finalize(None, self.do_all, exitpriority=0)

    def _begin_anew(self) -> None:
        self.waiting: deque[tuple[Callable[[list[Any]], Any], Any]] = deque()
        self.are_waiting = threading.Event()
        self.one_at_a_time = threading.Lock()
        self.begin = functools.cache(self._begin)

    def __call__(self, do: Callable[[list[Any]], Any], item: Any) -> None:
        """Have this done with the item and all others that wait for the same; outside of any transaction."""
        self.waiting.append((do, item))
        if not self.are_waiting.is_set():
            with contextlib.suppress(RuntimeError):  # no room for a thread now: the next one tries again
                self.begin()
                self.are_waiting.set()

    def do_all(self) -> None:
        """Do what waits, and return when it is done, by whichever thread. Each item is had once."""
        taken: dict[Callable[[list[Any]], Any], list[Any]] = {}
        with self.one_at_a_time:
            with contextlib.suppress(IndexError):
                while True:
                    do, item = self.waiting.popleft()
                    taken.setdefault(do, []).append(item)
            for do, items in taken.items():
                try:
                    do(items)
                except Exception:  # a bug, which must not keep the others waiting
                    logging.getLogger(__name__).exception("could not be done afterwards")

    def _begin(self) -> None:
        threading.Thread(target=self._do_on, name=self.name, daemon=True).start()

    def _do_on(self) -> None:
        while self.are_waiting.wait():
            time.sleep(self.pause)
            self.are_waiting.clear()
            self.do_all()


# Two, since whoever reads the log may be slow, and counting is not to wait for him.
counting, writing = Afterwards("counting"), Afterwards("writing")
