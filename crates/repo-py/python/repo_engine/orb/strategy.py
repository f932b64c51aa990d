"""The broker's storage strategy, on this engine."""

from __future__ import annotations

import json
from typing import Any, Mapping, Union

from orb.infrastructure.storage.base.strategy import BaseStorageStrategy

from .collections import GENERIC, ID_FIELDS, collection_of
from .config import Settings
from .criteria import Criteria
from .errors import storage
from .session import Key, Session


class RepoEngineStrategy(BaseStorageStrategy):
    """One kind of entities, or, as the broker's container wants it, all of them.

    A strategy of the type "generic" stores each document in the collection that its id
    fields name, and looks an id up in all three. The broker sets ``entity_type`` itself
    where it knows better.
    """

    def __init__(self, session: Session, entity_type: str = GENERIC) -> None:
        super().__init__()
        self.entity_type = entity_type
        self.session = session

    @classmethod
    def alone(cls, settings: Settings, entity_type: str = GENERIC) -> "RepoEngineStrategy":
        """A strategy outside of any unit of work."""
        return cls(Session(settings), entity_type)

    def _collections(self) -> list[str]:
        return [self.entity_type] if self.entity_type in ID_FIELDS else list(ID_FIELDS)

    def _key(self, entity_id: Any, data: Mapping[str, Any]) -> Key:
        if self.entity_type in ID_FIELDS:
            return Key(self.entity_type, str(entity_id))
        collection = collection_of(data)
        if collection is None:
            fields = ", ".join(ID_FIELDS.values())
            raise storage(f"{entity_id} has none of the fields {fields}, so it has no collection")
        return Key(collection, str(entity_id))

    # -- writing -----------------------------------------------------------------------

    def save(self, entity_id: str, data: dict[str, Any]) -> None:
        """Stores an entity, whether or not it is there."""
        self.save_batch({entity_id: data})

    def save_batch(self, entities: dict[str, dict[str, Any]]) -> None:
        """Stores entities, all or none."""
        self.session.save({self._key(id, data): data for id, data in entities.items()})

    def delete(self, entity_id: str) -> None:
        """Deletes an entity; one that is not there is a warning."""
        self.delete_batch([entity_id])

    def delete_batch(self, entity_ids: list[str]) -> None:
        """Deletes entities, all or none; those that are not there are a warning."""
        ids = [str(id) for id in entity_ids]
        if not ids:
            return
        collections = self._collections()
        keys = [Key(collection, id) for collection in collections for id in ids]
        if len(collections) > 1:
            found = self.session.documents(keys)
            keys = [key for key in keys if found[key] is not None]
        missing = set(ids) - {key.id for key in keys}
        if keys:
            missing.update(key.id for key in self.session.delete(keys))
        for id in sorted(missing):
            self.logger.warning("%s entity not found for deletion: %s", self.entity_type, id)

    # -- reading -----------------------------------------------------------------------

    def find_by_id(self, entity_id: str) -> Union[dict[str, Any], None]:
        """The entity of an id, made anew at each call, or None."""
        text = self._text(str(entity_id))
        return None if text is None else json.loads(text)

    def _text(self, id: str) -> Union[str, None]:
        for collection in self._collections():
            key = Key(collection, id)
            text = self.session.documents([key])[key]
            if text is not None:
                return text
        return None

    def find_all(self) -> dict[str, dict[str, Any]]:
        """Every entity, by its id."""
        return {
            id: json.loads(text)
            for collection in self._collections()
            for id, text in self.session.all(collection)
        }

    def find_by_criteria(self, criteria: dict[str, Any]) -> list[dict[str, Any]]:
        """The entities whose fields are equal to what is given, or hold ``$in`` or
        ``$regex``; an unknown operator is a StorageError."""
        compiled = Criteria(criteria)
        return [
            document
            for collection in self._collections()
            for document in self.session.matching(collection, compiled)
        ]

    def exists(self, entity_id: str) -> bool:
        """Whether there is an entity of an id; raises what keeps it from knowing."""
        return self._text(str(entity_id)) is not None

    def count(self) -> int:
        """How many entities there are; raises what keeps it from knowing."""
        return sum(self.session.count(collection) for collection in self._collections())

    def count_by_column(self, column: str) -> dict[str, int]:
        """How many entities have each value of a field. Empty for a strategy of any kind:
        the broker then lists and counts itself."""
        if self.entity_type not in ID_FIELDS:
            return {}
        return self.session.count_by(self.entity_type, column)

    def is_healthy(self) -> tuple[bool, dict[str, Any]]:
        """Whether the store can be reached and is sound, and what was seen."""
        details: dict[str, Any] = {"type": "repo_engine", "entity_type": self.entity_type}
        try:
            store = self.session.store
            health = store.health()
        except Exception as error:  # the broker shows what is said
            return False, {**details, "error": str(error)}
        return health["ok"], {**details, "store": store.location, "checks": health["checks"]}

    # -- transactions ------------------------------------------------------------------

    def begin_transaction(self) -> None:
        """Begins a transaction, or joins that of the unit of work."""
        self.session.begin()

    def commit_transaction(self) -> None:
        """Writes everything, or nothing."""
        self.session.commit()

    def rollback_transaction(self) -> None:
        """Drops what was written since the transaction began."""
        self.session.rollback()

    def cleanup(self) -> None:
        """Closes nothing: other strategies use the same store."""

    def __enter__(self) -> "RepoEngineStrategy":
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> bool:
        if exc_type is not None and self.session.active:
            self.session.rollback()
        return False
