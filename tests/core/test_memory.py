"""What a process keeps from one run for the next."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from agentouto._domain.memory import Memory, Newest


class Words:
    """A part that knows words."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def forget(self) -> None:
        self.known.clear()


class Numbers(Words):
    """Another part, of a class that is related."""


def test_a_part_is_made_once_and_found_by_its_class() -> None:
    memory = Memory()
    words = memory.part(Words)
    assert type(words) is Words
    assert memory.part(Words) is words
    assert type(memory.part(Numbers)) is Numbers
    assert Memory().part(Words) is not words


def test_every_part_forgets_and_stays_usable() -> None:
    memory = Memory()
    words, numbers = memory.part(Words), memory.part(Numbers)
    words.known.add("tide")
    numbers.known.add("seven")
    memory.forget()
    assert not words.known | numbers.known
    assert memory.part(Words) is words


def test_threads_that_ask_at_once_get_the_same_part() -> None:
    memory, together = Memory(), Barrier(8)

    def ask(_: int) -> Words:
        together.wait()
        return memory.part(Words)

    with ThreadPoolExecutor(8) as pool:
        assert len({id(words) for words in pool.map(ask, range(8))}) == 1


def test_nothing_is_left_of_a_memory_that_is_given_up() -> None:
    memory = Memory()
    gone = weakref.ref(memory.part(Words))
    del memory
    gc.collect()
    assert gone() is None


def test_the_oldest_entries_are_dropped_and_the_first_value_of_a_key_stays() -> None:
    newest: Newest[str, int | None] = Newest(2)
    assert newest.setdefault("a", 1) == 1
    assert newest.setdefault("a", 2) == 1
    newest.put("a", 2)
    assert newest.get("a") == 2
    newest.put("b", None)
    assert "b" in newest
    assert newest.get("b") is None
    newest.put("c", 3)
    assert [name for name in "abc" if name in newest] == ["b", "c"]
    assert len(newest) == 2
    newest.clear()
    assert len(newest) == 0


class Connections(Words):
    """A part with something that a fork must not share."""

    def after_fork(self) -> None:
        self.known.clear()


def test_in_a_fork_only_parts_that_share_something_let_go_of_it() -> None:
    memory = Memory()
    words, connections = memory.part(Words), memory.part(Connections)
    words.known.add("tide")
    connections.known.add("socket 7")
    memory.after_fork()
    assert (words.known, connections.known) == ({"tide"}, set())
