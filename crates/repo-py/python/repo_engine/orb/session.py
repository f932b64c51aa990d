"""What the repositories of one unit of work share: one transaction over all
collections.

While a transaction is open, what is read by key is tracked and what is written is kept
back; reads, lists and counts see both. One commit writes everything, or nothing. Without
a transaction every call is a commit of its own.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Iterable, Iterator, Mapping, Union

from orb.infrastructure.logging.logger import get_logger

from .. import Entity, Store, Transaction, Write
from .collections import VERSIONED
from .config import Settings
from .criteria import Criteria
from .errors import concurrency, storage, transaction, translated
from .handles import store_of
from .operation import Key, current

#: As many writes as every store takes in one commit.
_FEW = 50


class Session:
    """Reads and writes of one unit of work, or of one repository outside of any."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._logger = get_logger(__name__)
        # From here on threads of this task belong to it.
        current()
        self._lock = threading.RLock()
        self._depth = 0
        self._transaction: Union[Transaction, None] = None
        #: Documents that the transaction read, as text; None where there was none.
        self._loaded: dict[Key, Union[str, None]] = {}
        #: Documents that it will write; None for what it deletes.
        self._written: dict[Key, Union[str, None]] = {}

    @property
    def store(self) -> Store:
        """The open store of this process."""
        return store_of(self._settings)

    @property
    def active(self) -> bool:
        """Whether a transaction is open."""
        return self._transaction is not None

    # -- the transaction ---------------------------------------------------------------

    def begin(self) -> None:
        """Begins a transaction, or joins the one that is open."""
        with self._lock:
            if self._transaction is None:
                with translated():
                    self._transaction = self.store.transaction()
            self._depth += 1

    def commit(self) -> None:
        """Ends one `begin`; the last one writes everything, or nothing."""
        with self._lock:
            if self._transaction is None:
                raise transaction("no transaction in progress")
            self._depth -= 1
            if self._depth > 0:
                return
            ended, written = self._transaction, list(self._written)
            self._forget()
            with translated():
                if written:
                    versions = ended.commit()
                    _saw((key, versions.get(key)) for key in written)
                else:
                    # What was only read need not be the same still.
                    ended.rollback()

    def rollback(self) -> None:
        """Drops everything that was written since the first `begin`."""
        with self._lock:
            if self._transaction is None:
                raise transaction("no transaction in progress")
            ended = self._transaction
            self._forget()
            with translated():
                ended.rollback()

    def _forget(self) -> None:
        self._transaction = None
        self._depth = 0
        self._loaded, self._written = {}, {}

    # -- single documents --------------------------------------------------------------

    def documents(self, keys: list[Key]) -> dict[Key, Union[str, None]]:
        """The documents under keys as text, None where there is none; one read for each
        collection."""
        with self._lock:
            found: dict[Key, Union[str, None]] = {}
            for key in keys:
                for seen in (self._written, self._loaded):
                    if key in seen:
                        found[key] = seen[key]
                        break
            found.update(self._read([key for key in keys if key not in found]))
            return found

    def _read(self, keys: list[Key]) -> dict[Key, Union[str, None]]:
        entities = self._stored(keys)
        _saw((key, _version(entity)) for key, entity in entities.items())
        return {key: _document(entity) for key, entity in entities.items()}

    def _stored(self, keys: Iterable[Key]) -> dict[Key, Union[Entity, None]]:
        """What is stored under keys, with one read for each collection."""
        found: dict[Key, Union[Entity, None]] = {}
        source = self._transaction or self.store
        for collection, ids in _by_collection(keys).items():
            with translated():
                entities = source.get_many(collection, ids)
            found.update((Key(collection, id), entity) for id, entity in zip(ids, entities))
        if self._transaction is not None:
            self._loaded.update((key, _document(entity)) for key, entity in found.items())
        return found

    def save(self, documents: Mapping[Key, Mapping[str, Any]]) -> None:
        """Stores documents, all or none."""
        texts = {key: dumped(key, document) for key, document in documents.items()}
        with self._lock:
            if self._transaction is None:
                self._save_now(texts)
            else:
                self._save_later(self._transaction, texts)

    def _compares(self, key: Key) -> bool:
        return self._settings.compare_versions and key.collection in VERSIONED

    def _save_later(self, open: Transaction, texts: Mapping[Key, str]) -> None:
        known = {key for key in texts if key in self._loaded or key in self._written}
        unread = [key for key in texts if key not in known and self._compares(key)]
        for key, entity in self._stored(unread).items():
            check_newer(key, entity, texts[key])
        for key, text in texts.items():
            if key not in self._written and _same(self._loaded.get(key), text):
                continue
            with translated():
                open.put(key.collection, key.id, text)
            self._written[key] = text

    def _save_now(self, texts: Mapping[Key, str]) -> None:
        writes, keys, store = [], [], self.store
        compared = self._stored(key for key in texts if self._compares(key))
        for key, text in texts.items():
            expect: Union[str, int, None] = "any"
            if key in compared:
                entity = compared[key]
                if _same(_document(entity), text):
                    continue
                check_newer(key, entity, text)
                expect = "absent" if entity is None else entity.version
            with translated():
                writes.append((Write.put(key.collection, key.id, text, expect=expect), len(text)))
            keys.append(key)
        _saw(zip(keys, self._commit(store, writes)))

    def delete(self, keys: list[Key]) -> list[Key]:
        """Deletes entities, all or none; returns those that were not there."""
        with self._lock:
            open = self._transaction
            if open is None:
                with translated():
                    writes = [(Write.delete(key.collection, key.id), 0) for key in keys]
                versions = self._commit(self.store, writes)
                _saw((key, None) for key in keys)
                return [key for key, version in zip(keys, versions) if version is None]
            found = self.documents(keys)
            for key in keys:
                if found[key] is not None:
                    with translated():
                        open.delete(key.collection, key.id)
                    self._written[key] = None
            return [key for key in keys if found[key] is None]

    def _commit(self, store: Store, writes: list[tuple[Write, int]]) -> list[Union[int, None]]:
        """One commit; several only for more writes than the store takes in one, and never
        in a transaction."""
        parts = [writes]
        if len(writes) > _FEW or sum(size for _, size in writes) > 1_000_000:
            parts = _parts(writes, store.capabilities())
        if len(parts) > 1:
            self._logger.warning(
                "%s writes are done in %s commits: the store takes fewer in one",
                len(writes),
                len(parts),
            )
        versions: list[Union[int, None]] = []
        for part in parts:
            if part:
                with translated():
                    versions += store.commit([write for write, _ in part])
        return versions

    # -- lists and counts --------------------------------------------------------------

    def all(self, collection: str) -> Iterator[tuple[str, str]]:
        """Every document of a collection, with its id."""
        kept_back = self._kept_back(collection)
        with translated():
            for entity in self.store.scan(collection, strong=self._settings.strong_queries):
                if entity.id not in kept_back:
                    yield entity.id, entity.document
        for id, text in kept_back.items():
            if text is not None:
                yield id, text

    def matching(self, collection: str, criteria: Criteria) -> Iterator[dict[str, Any]]:
        """Every document of a collection that matches."""
        kept_back = self._kept_back(collection)
        strong = self._settings.strong_queries
        with translated():
            for entity in self.store.find(collection, criteria.filter, strong=strong):
                if entity.id in kept_back:
                    continue
                document = json.loads(entity.document)
                if criteria.decides_alone or criteria.lets_through(document):
                    _saw([(Key(collection, entity.id), entity.version)])
                    yield document
        for text in kept_back.values():
            document = None if text is None else json.loads(text)
            if document is not None and criteria.matches(document):
                yield document

    def count(self, collection: str) -> int:
        """How many documents a collection has."""
        kept_back = self._kept_back(collection)
        with translated():
            count = self.store.count(collection, strong=self._settings.strong_queries)
            stored = self._committed(collection, kept_back)
        return count + sum(
            (text is not None) - (before is not None)
            for text, before in zip(kept_back.values(), stored)
        )

    def count_by(self, collection: str, field: str) -> dict[str, int]:
        """How many documents have each value of a field; "unknown" for null and none."""
        kept_back = self._kept_back(collection)
        strong = self._settings.strong_queries
        with translated():
            counts = dict(self.store.count_by(collection, field, strong=strong))
            stored = self._committed(collection, kept_back)
        for texts, by in ((stored, -1), (kept_back.values(), 1)):
            for text in texts:
                if text is not None:
                    value = _value(json.loads(text), field)
                    counts[value] = counts.get(value, 0) + by
        named: dict[str, int] = {}
        for value, count in counts.items():
            if count > 0:
                name = "unknown" if value is None else value
                named[name] = named.get(name, 0) + count
        return named

    def _kept_back(self, collection: str) -> dict[str, Union[str, None]]:
        with self._lock:
            written = self._written.items()
            return {key.id: text for key, text in written if key.collection == collection}

    def _committed(self, collection: str, ids: Iterable[str]) -> list[Union[str, None]]:
        ids = list(ids)
        entities = self.store.get_many(collection, ids) if ids else []
        return [_document(entity) for entity in entities]


def check_newer(key: Key, entity: Union[Entity, None], text: str) -> None:
    """The broker's own rule for what was not read before it is saved: each change makes
    ``version`` higher, so a stored version that is not lower is somebody else's change,
    unless it is what this operation has seen last.

    Raises ConcurrencyError."""
    if entity is None or _same(entity.document, text):
        return
    operation = current()
    if operation is not None and operation.knows(key, entity.version):
        return
    before, now = json.loads(entity.document).get("version"), json.loads(text).get("version")
    if not (_is_version(before) and _is_version(now)) or before < now:
        return
    raise concurrency(
        f"{key.collection}/{key.id} has been changed: the stored version is {before}, "
        f"the saved one is {now}",
        [{"collection": key.collection, "id": key.id, "expected": now - 1, "actual": before}],
    )


def dumped(key: Key, document: Mapping[str, Any]) -> str:
    """A document as JSON text."""
    try:
        return json.dumps(
            document, default=str, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise storage(f"{key.collection}/{key.id} is no JSON document: {error}") from error


def _saw(versions: Iterable[tuple[Key, Union[int, None]]]) -> None:
    operation = current()
    if operation is not None:
        for key, version in versions:
            operation.saw(key, version)


def _version(entity: Union[Entity, None]) -> Union[int, None]:
    return None if entity is None else entity.version


def _document(entity: Union[Entity, None]) -> Union[str, None]:
    return None if entity is None else entity.document


def _is_version(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _same(stored: Union[str, None], text: str) -> bool:
    return stored is not None and (stored == text or json.loads(stored) == json.loads(text))


def _value(document: Any, field: str) -> Union[str, None]:
    """As the engine's count names a value."""
    for step in field.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    if document is None or isinstance(document, str):
        return document
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _by_collection(keys: Iterable[Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.collection, []).append(key.id)
    return found


def _parts(
    writes: list[tuple[Write, int]], capabilities: Mapping[str, Any]
) -> list[list[tuple[Write, int]]]:
    most_keys = capabilities["max_commit_keys"] or len(writes)
    most_bytes = capabilities["max_commit_bytes"]
    parts: list[list[tuple[Write, int]]] = [[]]
    size = 0
    for write in writes:
        # A character has up to four bytes.
        bytes = write[1] * 4
        if len(parts[-1]) >= most_keys or (most_bytes and parts[-1] and size + bytes > most_bytes):
            parts.append([])
            size = 0
        parts[-1].append(write)
        size += bytes
    return parts
