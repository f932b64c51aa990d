"""What the engine raises.

Decide by the class, or by ``error.kind``; a person reads the message, its context and
its hint. Nothing in an error is a secret.
"""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Union

__all__ = [
    "AlreadyExistsError",
    "ClosedError",
    "ConfigInvalidError",
    "ConflictError",
    "CorruptError",
    "FailedPrecondition",
    "FeedExpiredError",
    "ForeignError",
    "InvalidError",
    "LimitExceededError",
    "LockedError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RepositoryError",
    "UnavailableError",
    "UnexpectedError",
    "UnsupportedError",
    "VerificationError",
]


class FailedPrecondition(NamedTuple):
    """One write of a commit whose precondition did not hold."""

    #: The collection of the key.
    collection: str
    #: The id of the key.
    id: str
    #: What was asked for: "any", "absent", "exists", or a version.
    expected: Union[str, int]
    #: The version of what is there, or None.
    actual: Union[int, None]


class RepositoryError(Exception):
    """An error of the engine, with what a program and a person need of it."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "Unexpected",
        operation: str = "",
        context: Union[dict[str, str], None] = None,
        hint: Union[str, None] = None,
        retryable: bool = False,
        failed_preconditions: Iterable[FailedPrecondition] = (),
    ) -> None:
        super().__init__(message)
        #: What happened, without operation and context.
        self.message = message
        #: The kind as the engine names it, for example "Conflict".
        self.kind = kind
        #: What was being done, for example "commit".
        self.operation = operation
        #: Named values: which file, key, rule.
        self.context: dict[str, str] = dict(context or {})
        #: What can be done now, where that is known.
        self.hint = hint
        #: Whether the same call may succeed when it is made again unchanged.
        self.retryable = retryable
        #: Each precondition that failed; never empty for a ConflictError.
        self.failed_preconditions = tuple(failed_preconditions)

    def __str__(self) -> str:
        text = f"{self.operation}: {self.message}" if self.operation else self.message
        if self.context:
            pairs = (f"{name}: {value}" for name, value in self.context.items())
            text += f" ({', '.join(pairs)})"
        return f"{text}; {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.message, self.__dict__.copy())


class NotFoundError(RepositoryError):
    """The entity, collection, file or store is not there."""


class AlreadyExistsError(RepositoryError):
    """A create met an entity that is already there. Nothing was written."""


class ConflictError(RepositoryError):
    """What was expected does not hold any more. Nothing was written: read again."""


class InvalidError(RepositoryError):
    """The input breaks a rule of the contract. Nothing was written."""


class UnsupportedError(RepositoryError):
    """The store cannot do what was asked."""


class LimitExceededError(RepositoryError):
    """A limit of the store is exceeded. Nothing was written."""


class UnavailableError(RepositoryError):
    """Not applied; the same call may succeed when it is made again."""


class OutcomeUnknownError(RepositoryError):
    """The call may have been applied. Read before writing again."""


class CorruptError(RepositoryError):
    """Stored bytes are damaged. Nothing is guessed and nothing is dropped."""


class ConfigInvalidError(RepositoryError):
    """The configuration is wrong."""


class PermissionDeniedError(RepositoryError):
    """The operating system or the server refused access."""


class LockedError(RepositoryError):
    """Another process or run holds what this call needs alone."""


class ForeignError(RepositoryError):
    """Something in the place is not the engine's. It stays as it is."""


class UnexpectedError(RepositoryError):
    """The driver or the server reported what the engine does not know."""


class ClosedError(RepositoryError):
    """The store or transaction was closed, or belongs to another process."""


class FeedExpiredError(RepositoryError):
    """The changes after this position of the feed are gone."""


class VerificationError(RepositoryError):
    """A migration ended, and both sides differ where they should not."""

    #: The report of the run, as ``migrate`` returns it.
    report: dict[str, Any]


_OF_KIND = {
    name.removesuffix("Error"): value
    for name, value in list(globals().items())
    if isinstance(value, type)
    and issubclass(value, RepositoryError)
    and value not in (RepositoryError, VerificationError)
}


def _again(cls: type[RepositoryError], message: str, state: dict[str, Any]) -> RepositoryError:
    error = cls(message)
    error.__dict__.update(state)
    return error


def _made(
    kind: str,
    operation: str,
    message: str,
    context: list[tuple[str, str]],
    hint: Union[str, None],
    retryable: bool,
    failed: list[tuple[str, str, Union[str, None], Union[int, None], Union[int, None]]],
) -> RepositoryError:
    """Called by the native module alone."""
    first: dict[str, str] = {}
    for name, value in context:
        first.setdefault(name, value)
    named = (
        FailedPrecondition(collection, id, word if version is None else version, actual)
        for collection, id, word, version, actual in failed
    )
    return _OF_KIND.get(kind, RepositoryError)(
        message,
        kind=kind,
        operation=operation,
        context=first,
        hint=hint,
        retryable=retryable,
        failed_preconditions=named,
    )
