"""The same for asyncio.

    from repo_engine.aio import AsyncStore

    async with await AsyncStore.open("postgresql://broker@db/state") as store:
        job = await store.get("jobs", "j-1")
        async for job in store.find("jobs", {"status": "new"}):
            ...

Each call runs on one of a few threads, where it gives the interpreter's lock back while
it waits; so the event loop goes on meanwhile, whichever loop it is. A task that is
cancelled stops waiting; the call itself runs to its end. A write that was cancelled may
therefore have been applied: read before writing again.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AsyncIterator, Callable, Mapping, Sequence, TypeVar, Union

from . import migration
from ._native import Entities, Entity, Page, Store, Transaction, Write

__all__ = ["AsyncStore", "AsyncTransaction", "migrate"]

_T = TypeVar("_T")

#: Calls that are under way at once, in all stores of a process.
_MOST_CALLS = 16

_pool: Union[ThreadPoolExecutor, None] = None


def _forget_pool() -> None:
    """A forked child has none of the threads."""
    global _pool
    _pool = None


os.register_at_fork(after_in_child=_forget_pool)


async def _call(function: Callable[..., _T], *args: Any, **options: Any) -> _T:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="repo-engine")
    call = functools.partial(function, *args, **options)
    return await asyncio.get_running_loop().run_in_executor(_pool, call)


async def _each(entities: Entities) -> AsyncIterator[Entity]:
    while batch := await _call(entities.next_batch):
        for entity in batch:
            yield entity


async def _each_of(made: Callable[[], Entities]) -> AsyncIterator[Entity]:
    async for entity in _each(await _call(made)):
        yield entity


class AsyncTransaction:
    """A transaction; see ``repo_engine.Transaction``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def get(self, collection: str, id: str) -> Union[Entity, None]:
        """The entity of an id as this transaction sees it, or None."""
        return await _call(self._transaction.get, collection, id)

    async def get_many(self, collection: str, ids: Sequence[str]) -> list[Union[Entity, None]]:
        """The entities of several ids in their order, None where there is none."""
        return await _call(self._transaction.get_many, collection, ids)

    async def put(self, collection: str, id: str, document: Any, **options: Any) -> None:
        """Stores a document when the transaction commits."""
        await _call(self._transaction.put, collection, id, document, **options)

    async def delete(self, collection: str, id: str, **options: Any) -> None:
        """Deletes an entity when the transaction commits."""
        await _call(self._transaction.delete, collection, id, **options)

    async def commit(self) -> dict[tuple[str, str], int]:
        """Writes everything, if all that was read is unchanged."""
        return await _call(self._transaction.commit)

    async def rollback(self) -> None:
        """Drops all writes."""
        await _call(self._transaction.rollback)

    async def __aenter__(self) -> "AsyncTransaction":
        return self

    async def __aexit__(self, *raised: Any) -> bool:
        return await _call(self._transaction.__exit__, *raised)


class AsyncStore:
    """An open store; see ``repo_engine.Store``. Made by ``await AsyncStore.open(…)``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    async def open(cls, place: Any, **options: Any) -> "AsyncStore":
        """Opens a store; arguments as for ``Store.open``."""
        return cls(await _call(Store.open, place, **options))

    @property
    def store(self) -> Store:
        """The store beneath, whose calls wait."""
        return self._store

    async def get(self, collection: str, id: str) -> Union[Entity, None]:
        """The entity of an id, or None."""
        return await _call(self._store.get, collection, id)

    async def get_many(self, collection: str, ids: Sequence[str]) -> list[Union[Entity, None]]:
        """The entities of several ids in their order, None where there is none."""
        return await _call(self._store.get_many, collection, ids)

    async def put(self, collection: str, id: str, document: Any, **options: Any) -> int:
        """Stores a document and returns its new version."""
        return await _call(self._store.put, collection, id, document, **options)

    async def delete(self, collection: str, id: str, **options: Any) -> Union[int, None]:
        """Deletes an entity."""
        return await _call(self._store.delete, collection, id, **options)

    async def commit(self, writes: Sequence[Write], **options: Any) -> list[Union[int, None]]:
        """Does all writes or none."""
        return await _call(self._store.commit, writes, **options)

    async def query(self, collection: str, filter: Any = None, **options: Any) -> Page:
        """One page of the entities that match."""
        return await _call(self._store.query, collection, filter, **options)

    def find(self, collection: str, filter: Any = None, **options: Any) -> AsyncIterator[Entity]:
        """Every entity that matches, in bounded memory."""
        return _each_of(functools.partial(self._store.find, collection, filter, **options))

    def scan(self, collection: str, **options: Any) -> AsyncIterator[Entity]:
        """Every entity of a collection, in bounded memory."""
        return _each_of(functools.partial(self._store.scan, collection, **options))

    async def count(self, collection: str, filter: Any = None, **options: Any) -> int:
        """How many entities match."""
        return await _call(self._store.count, collection, filter, **options)

    async def count_by(
        self, collection: str, field: str, filter: Any = None, **options: Any
    ) -> dict[Union[str, None], int]:
        """How many entities have each value of a field."""
        return await _call(self._store.count_by, collection, field, filter, **options)

    async def aggregate(
        self, collection: str, filter: Any = None, **options: Any
    ) -> list[dict[str, dict[str, Any]]]:
        """Groups of entities, and what is computed of each."""
        return await _call(self._store.aggregate, collection, filter, **options)

    def transaction(self, **options: Any) -> AsyncTransaction:
        """A transaction, as an asynchronous context manager."""
        return AsyncTransaction(self._store.transaction(**options))

    async def health(self, **options: Any) -> dict[str, Any]:
        """Whether the store can be reached and is sound."""
        return await _call(self._store.health, **options)

    async def close(self) -> None:
        """Ends all work of this store."""
        await _call(self._store.close)

    async def __aenter__(self) -> "AsyncStore":
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.close()


async def migrate(
    source: Any,
    target: Any,
    *,
    progress: Union[Callable[[migration.ProgressEvent], object], None] = None,
    **options: Any,
) -> Mapping[str, Any]:
    """Moves collections; arguments as for ``repo_engine.migrate``. ``progress`` is called
    in the event loop. Cancelling ends the run once the batches in hand are written."""
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()

    def told(event: migration.ProgressEvent) -> None:
        if cancelled.is_set():
            raise asyncio.CancelledError
        if progress is not None:
            loop.call_soon_threadsafe(progress, event)

    try:
        return await _call(migration.migrate, source, target, progress=told, **options)
    except asyncio.CancelledError:
        # The run finishes the batches in hand; the same call resumes it.
        cancelled.set()
        raise
