"""Local, LocalStack, LocalProxy: one name, a value per context, nothing left behind."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import math
import operator
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from reference_app.framework.local import Local, LocalProxy, LocalStack, release_local

LOCAL = Local()
STACK: LocalStack[Any] = LocalStack()


@pytest.fixture(autouse=True)
def released() -> None:
    release_local(LOCAL)
    release_local(STACK)


def in_thread(function: Callable[[], Any]) -> Any:
    """The result of a function in a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_a_thread_has_attributes_of_its_own() -> None:
    LOCAL.user = "main"

    def other() -> tuple[bool, str]:
        before = hasattr(LOCAL, "user")
        LOCAL.user = "thread"
        return before, LOCAL.user

    assert in_thread(other) == (False, "thread")
    assert LOCAL.user == "main"


def test_tasks_have_attributes_of_their_own() -> None:
    LOCAL.user = "main"

    async def task(name: str, barrier: asyncio.Barrier) -> tuple[str, str]:
        before = LOCAL.user
        LOCAL.user = name
        # All have written before any reads.
        await barrier.wait()
        return before, LOCAL.user

    async def main() -> list[tuple[str, str]]:
        barrier = asyncio.Barrier(3)
        return await asyncio.gather(*(task(str(number), barrier) for number in range(3)))

    assert asyncio.run(main()) == [("main", "0"), ("main", "1"), ("main", "2")]
    assert LOCAL.user == "main"


def test_a_context_that_is_copied_can_be_changed_alone() -> None:
    STACK.push("outer")

    def inner() -> Any:
        STACK.pop()
        STACK.push("inner")
        return STACK.top

    assert contextvars.copy_context().run(inner) == "inner"
    assert STACK.top == "outer"


def test_attributes_can_be_deleted_and_listed() -> None:
    LOCAL.a = 1
    LOCAL.b = 2
    del LOCAL.a
    assert list(LOCAL) == [("b", 2)]
    with pytest.raises(AttributeError, match="a"):
        LOCAL.a  # noqa: B018
    with pytest.raises(AttributeError, match="a"):
        del LOCAL.a


def test_a_stack_nests() -> None:
    assert not STACK.top
    STACK.push(1)
    STACK.push(2)
    assert (STACK.top, 1 in STACK, 3 in STACK) == (2, True, False)
    assert [STACK.pop(), STACK.pop(), STACK.pop()] == [2, 1, None]


class Thing:
    """Something that can be referred to weakly."""


@pytest.mark.parametrize("release", ["pop", "release_local"])
def test_nothing_outlives_the_last_pop(release: str) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    STACK.push(thing)
    LOCAL.thing = thing
    del thing
    if release == "pop":
        STACK.pop()
    else:
        release_local(STACK)
    release_local(LOCAL)
    gc.collect()
    assert reference() is None


def test_a_proxy_follows_what_is_on_top() -> None:
    """A plain reference does not: that is why there are proxies."""
    user: Any = STACK("name")
    first, second = Thing(), Thing()
    first.name, second.name = "first", "second"  # type: ignore[attr-defined]
    STACK.push(first)
    reference = first.name  # type: ignore[attr-defined]
    STACK.push(second)
    assert (user, reference) == ("second", "first")


def test_an_unbound_proxy_says_what_to_do() -> None:
    proxy = STACK("name", unbound_message="Push a user first.")
    with pytest.raises(RuntimeError, match="Push a user first"):
        proxy.upper()
    with pytest.raises(RuntimeError, match="bound"):
        LOCAL("x").real  # noqa: B018
    assert (repr(proxy), bool(proxy), dir(proxy)) == ("<LocalProxy unbound>", False, [])
    assert isinstance(proxy, LocalProxy)


SOURCES: list[tuple[str, Any]] = [
    ("local", LOCAL("value")),
    ("stack", STACK()),
    ("context variable", LocalProxy(contextvars.ContextVar("x", default=5))),
    ("function", LocalProxy(lambda: 5)),
]


@pytest.mark.parametrize(("name", "proxy"), SOURCES, ids=[name for name, _ in SOURCES])
def test_a_proxy_looks_in_any_of_these(name: str, proxy: Any) -> None:
    LOCAL.value = 5
    STACK.push(5)
    assert proxy + 1 == 6
    assert proxy._get_current_object() == 5
    assert isinstance(proxy, int)


def test_a_proxy_does_not_look_in_anything_else() -> None:
    with pytest.raises(TypeError, match="not in a int"):
        LocalProxy(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name of an attribute"):
        LocalProxy(LOCAL)


BINARY = [
    operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge,
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
    operator.mod, divmod, pow, operator.lshift, operator.rshift, operator.and_,
    operator.or_, operator.xor,
]  # fmt: skip
UNARY = [
    operator.neg, operator.pos, abs, operator.invert, str, repr, int, float, complex, bool, hash,
    operator.index, round, math.trunc, math.floor, math.ceil, copy.copy, copy.deepcopy, bin, format,
]  # fmt: skip


@pytest.mark.parametrize("function", BINARY)
def test_binary_operators_are_forwarded_both_ways(function: Any) -> None:
    proxy: Any = LocalProxy(lambda: 7)
    assert function(proxy, 3) == function(7, 3)
    assert function(3, proxy) == function(3, 7)


@pytest.mark.parametrize("function", UNARY)
def test_unary_operators_are_forwarded(function: Any) -> None:
    assert function(LocalProxy(lambda: 7)) == function(7)


def test_containers_are_forwarded() -> None:
    target = [1, 2, 3]
    proxy: Any = LocalProxy(lambda: target)
    proxy[0] = 9
    del proxy[1]
    proxy.append(4)
    assert (len(proxy), list(proxy), list(reversed(proxy)), 9 in proxy) == (
        3,
        [9, 3, 4],
        [4, 3, 9],
        True,
    )
    assert operator.length_hint(proxy) == 3
    assert next(LocalProxy(lambda: iter([1]))) == 1


def test_in_place_operators_keep_the_proxy() -> None:
    target = [1]
    proxy: Any = LocalProxy(lambda: target)
    proxy += [2]
    proxy *= 2
    assert type(proxy) is LocalProxy
    assert target == [1, 2, 1, 2]


def test_attributes_calls_and_with_are_forwarded() -> None:
    class Target:
        """Documented."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        def __enter__(self) -> str:
            return "entered"

        def __exit__(self, *exc_info: object) -> bool:
            return True

    target = Target()
    proxy: Any = LocalProxy(lambda: target)
    proxy.x = 1
    assert (target.x, proxy.__dict__, proxy.__doc__) == (1, {"x": 1}, "Documented.")  # type: ignore[attr-defined]
    del proxy.x
    assert not hasattr(target, "x")
    assert proxy(1, a=2) == ((1,), {"a": 2})
    with proxy as entered:
        raise ValueError(entered)
    assert proxy.__class__ is Target
    assert isinstance(3, LocalProxy(lambda: int))


def test_awaiting_is_forwarded() -> None:
    class Numbers:
        def __init__(self) -> None:
            self.left = 2

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

        async def __aenter__(self) -> str:
            return "in"

        async def __aexit__(self, *exc_info: object) -> None:
            self.left = -1

        def __await__(self) -> Any:
            return asyncio.sleep(0, "awaited").__await__()

    numbers = Numbers()
    proxy: Any = LocalProxy(lambda: numbers)

    async def main() -> Any:
        found = [number async for number in proxy]
        async with proxy as entered:
            pass
        return found, entered, await proxy

    assert asyncio.run(main()) == ([1, 0], "in", "awaited")
    assert numbers.left == -1
