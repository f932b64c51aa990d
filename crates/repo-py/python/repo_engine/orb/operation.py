"""What one operation of the broker has seen last.

A request is saved several times while the broker provisions, each time from the copy that
its handler began with, and with a ``version`` of the broker's own that may be lower than
the one it has stored itself in between. That is nobody else's change. So it is noted, for
each task of an event loop, which version of the engine it has read or written last: while
that one is stored, nothing happened that the task does not know of.

A thread to which a task hands work by ``asyncio.to_thread`` belongs to that task. Outside
of event loops there are no operations.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any, NamedTuple, Union
from weakref import WeakKeyDictionary

#: How many keys an operation remembers; the ones that it has not seen for longest go.
_MOST_KEYS = 10_000


class Key(NamedTuple):
    """A collection and an id in it."""

    collection: str
    id: str


class Operation:
    """The versions that one operation has seen last, None where there was nothing."""

    def __init__(self) -> None:
        self._versions: dict[Key, Union[int, None]] = {}

    def saw(self, key: Key, version: Union[int, None]) -> None:
        """Notes what was read or written under a key."""
        # What is seen again is the youngest again.
        self._versions.pop(key, None)
        self._versions[key] = version
        while len(self._versions) > _MOST_KEYS:
            self._versions.pop(next(iter(self._versions)), None)

    def knows(self, key: Key, version: Union[int, None]) -> bool:
        """Whether this version is what the operation has seen last."""
        return key in self._versions and self._versions[key] == version


_of_task: "WeakKeyDictionary[asyncio.Task[Any], Operation]" = WeakKeyDictionary()

#: For the threads of a task, which get a copy of its context.
_of_context: "ContextVar[Union[Operation, None]]" = ContextVar("repo_engine_orb", default=None)


def current() -> Union[Operation, None]:
    """The operation that the caller is part of, or None."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        # No event loop runs in this thread.
        return _of_context.get()
    if task is None:
        return None
    operation = _of_task.get(task)
    if operation is None:
        operation = _of_task[task] = Operation()
    _of_context.set(operation)
    return operation
