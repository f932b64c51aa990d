"""Errors of the engine as the broker's own, which its handlers know.

A conflict is a ``ConcurrencyError``: the broker's request handlers catch exactly that
around the whole unit of work, and try again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, TypeVar

from orb.domain.base.exceptions import ConcurrencyError, ConfigurationError
from orb.infrastructure.storage.exceptions import (
    ConnectionError,
    DataIntegrityError,
    StorageError,
    TransactionError,
)

from ..errors import RepositoryError

_E = TypeVar("_E", bound=Exception)

#: Trying again later may help, or it is not known what happened.
_CONNECTION = frozenset({"Unavailable", "OutcomeUnknown", "PermissionDenied"})


@contextmanager
def translated() -> Iterator[None]:
    """Raises errors of the engine as the broker's."""
    try:
        yield
    except RepositoryError as error:
        raise of_engine(error) from error


def of_engine(error: RepositoryError) -> Exception:
    """The broker's error for one of the engine's."""
    if error.failed_preconditions or error.kind in ("Conflict", "AlreadyExists"):
        return concurrency(str(error), [one._asdict() for one in error.failed_preconditions])
    if error.kind == "ConfigInvalid":
        return ConfigurationError(str(error))
    if error.kind in _CONNECTION:
        details = {"kind": error.kind, "store": error.context.get("store", "")}
        return _said(ConnectionError(str(error), details), str(error), error.kind)
    if error.kind == "Corrupt":
        collection, id = _key_of(error.context)
        return _said(DataIntegrityError(str(error), collection, id), str(error), error.kind)
    return _said(StorageError(str(error), error), str(error), error.kind)


def concurrency(message: str, failed: list[dict[str, Any]]) -> ConcurrencyError:
    """A conflict, with the first key that failed as the broker names it, and all."""
    first = failed[0] if failed else {}
    details = {
        "entity_id": first.get("id"),
        "expected_version": first.get("expected"),
        "actual_version": first.get("actual"),
        "failed": failed,
    }
    return ConcurrencyError(message, details=details)


def storage(message: str) -> StorageError:
    """An error of the adapter itself."""
    return _said(StorageError(message), message, "Invalid")


def transaction(message: str) -> TransactionError:
    """A transaction that is begun or ended where it cannot be."""
    return _said(TransactionError(message), message, "Transaction")


def _said(error: _E, message: str, kind: str) -> _E:
    """The broker's storage errors show the word "Storage" in place of the message."""
    error.args = (message,)
    error.message = message  # type: ignore[attr-defined]
    error.error_code = f"STORAGE_{kind.upper()}"  # type: ignore[attr-defined]
    return error


def _key_of(context: dict[str, str]) -> tuple[Any, Any]:
    collection, _, id = context.get("key", "").partition("/")
    return collection or context.get("collection"), id or context.get("id")
