"""The types of the native module. Programs import repo_engine."""

import os
from types import TracebackType
from typing import Any, Callable, Iterator, Literal, Mapping, Sequence, TypeVar, Union

__version__: str
_KINDS: list[str]

_T = TypeVar("_T")
_Expect = Union[Literal["any", "absent", "exists"], int, None]
_Document = Union[str, Mapping[str, Any]]
_Filter = Union[str, Mapping[str, Any], None]
_Place = Union[str, "os.PathLike[str]", Mapping[str, Any]]
_Schemas = Union[str, "os.PathLike[str]", Sequence[Union[str, Mapping[str, Any]]], None]

class Entity:
    @property
    def collection(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> Union[int, None]: ...
    @property
    def created_at(self) -> Union[str, None]: ...
    @property
    def updated_at(self) -> Union[str, None]: ...
    @property
    def document(self) -> str: ...
    def json(self, **options: Any) -> dict[str, Any]: ...

class Entities(Iterator[Entity]):
    def __iter__(self) -> "Entities": ...
    def __next__(self) -> Entity: ...
    def next_batch(self) -> list[Entity]: ...

class Page:
    @property
    def entities(self) -> list[Entity]: ...
    @property
    def cursor(self) -> Union[str, None]: ...
    @property
    def plan(self) -> str: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Entity]: ...

class Write:
    @staticmethod
    def put(collection: str, id: str, document: _Document, *, expect: _Expect = None) -> "Write": ...
    @staticmethod
    def delete(collection: str, id: str, *, expect: _Expect = None) -> "Write": ...
    @staticmethod
    def check(collection: str, id: str, *, expect: _Expect) -> "Write": ...

class Transaction:
    def get(self, collection: str, id: str) -> Union[Entity, None]: ...
    def get_many(self, collection: str, ids: Sequence[str]) -> list[Union[Entity, None]]: ...
    def put(self, collection: str, id: str, document: _Document, *, expect: _Expect = None) -> None: ...
    def delete(self, collection: str, id: str, *, expect: _Expect = None) -> None: ...
    def commit(self) -> dict[tuple[str, str], int]: ...
    def rollback(self) -> None: ...
    def __enter__(self) -> "Transaction": ...
    def __exit__(
        self,
        kind: Union[type[BaseException], None],
        value: Union[BaseException, None],
        traceback: Union[TracebackType, None],
    ) -> bool: ...

class Store:
    @staticmethod
    def open(
        place: _Place,
        *,
        schemas: _Schemas = None,
        read_only: bool = False,
        max_entity_bytes: Union[int, None] = None,
        routes: Union[Sequence[str], None] = None,
    ) -> "Store": ...
    @property
    def collections(self) -> list[str]: ...
    @property
    def location(self) -> str: ...
    def get(self, collection: str, id: str) -> Union[Entity, None]: ...
    def get_many(self, collection: str, ids: Sequence[str]) -> list[Union[Entity, None]]: ...
    def put(
        self,
        collection: str,
        id: str,
        document: _Document,
        *,
        expect: _Expect = None,
        author: Union[str, None] = None,
        reason: Union[str, None] = None,
    ) -> int: ...
    def delete(
        self,
        collection: str,
        id: str,
        *,
        expect: _Expect = None,
        author: Union[str, None] = None,
        reason: Union[str, None] = None,
    ) -> Union[int, None]: ...
    def commit(
        self,
        writes: Sequence[Write],
        *,
        author: Union[str, None] = None,
        reason: Union[str, None] = None,
    ) -> list[Union[int, None]]: ...
    def query(
        self,
        collection: str,
        filter: _Filter = None,
        *,
        order_by: Union[str, None] = None,
        limit: Union[int, None] = None,
        cursor: Union[str, None] = None,
        strong: bool = False,
    ) -> Page: ...
    def find(
        self,
        collection: str,
        filter: _Filter = None,
        *,
        order_by: Union[str, None] = None,
        strong: bool = False,
    ) -> Entities: ...
    def scan(self, collection: str, *, batch_size: int = 1000, strong: bool = False) -> Entities: ...
    def count(self, collection: str, filter: _Filter = None, *, strong: bool = False) -> int: ...
    def count_by(
        self, collection: str, field: str, filter: _Filter = None, *, strong: bool = False
    ) -> dict[Union[str, None], int]: ...
    def aggregate(
        self,
        collection: str,
        filter: _Filter = None,
        *,
        group_by: Union[Sequence[str], None] = None,
        functions: Union[Sequence[str], None] = None,
        max_groups: Union[int, None] = None,
        strong: bool = False,
    ) -> list[dict[str, dict[str, Any]]]: ...
    def transaction(
        self, *, author: Union[str, None] = None, reason: Union[str, None] = None
    ) -> Transaction: ...
    def run(
        self,
        body: Callable[[Transaction], _T],
        *,
        max_attempts: int = 64,
        author: Union[str, None] = None,
        reason: Union[str, None] = None,
    ) -> _T: ...
    def health(self, *, deep: bool = False) -> dict[str, Any]: ...
    def capabilities(self) -> dict[str, Any]: ...
    def checkpoint(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> "Store": ...
    def __exit__(
        self,
        kind: Union[type[BaseException], None],
        value: Union[BaseException, None],
        traceback: Union[TracebackType, None],
    ) -> bool: ...

def migrate(
    source: _Place,
    target: _Place,
    schemas: _Schemas,
    options: str,
    progress: Union[Callable[..., object], None],
) -> str: ...
