"""The broker's criteria: what the engine decides, and what is decided here.

Equality and ``$in`` are the engine's, by exact value. ``$regex`` is Python's syntax over
``str(value)``, as in the broker, so it is decided here on what the rest let through.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from .errors import storage

_MISSING = object()


class Criteria:
    """Conditions on the fields of a document, all of which have to hold."""

    def __init__(self, criteria: Mapping[str, Any]) -> None:
        #: As the engine takes it: lets every match through, and nothing else but what a
        #: pattern still has to decide.
        self.filter: dict[str, Any] = {}
        self._equal: list[tuple[str, Any]] = []
        self._among: list[tuple[str, list[Any]]] = []
        self._patterns: list[tuple[str, re.Pattern[str]]] = []
        for field, wanted in criteria.items():
            if isinstance(wanted, Mapping) and any(str(key).startswith("$") for key in wanted):
                self.filter[field] = self._operators(field, wanted)
            else:
                value = _json(field, wanted)
                self._equal.append((field, value))
                self.filter[field] = {"$eq": value}

    def _operators(self, field: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        conditions: dict[str, Any] = {}
        for operator, operand in wanted.items():
            if operator == "$in":
                if isinstance(operand, (str, Mapping)):
                    raise storage(f"criteria: {field}: $in takes a list")
                values = _json(field, list(operand))
                self._among.append((field, values))
                conditions["$in"] = values
            elif operator == "$regex":
                self._patterns.append((field, _pattern(field, operand)))
                conditions["$exists"] = True
            else:
                raise storage(f"criteria: {field}: unknown operator {operator!r}")
        return conditions

    @property
    def decides_alone(self) -> bool:
        """Whether the engine's filter says everything."""
        return not self._patterns

    def lets_through(self, document: Mapping[str, Any]) -> bool:
        """Whether the patterns hold, for a document that the engine found."""
        return all(
            value is not _MISSING and pattern.search(str(value)) is not None
            for value, pattern in ((_at(document, f), pattern) for f, pattern in self._patterns)
        )

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether everything holds, for a document that the engine has not seen."""
        return (
            all(_same(_at(document, field), value) for field, value in self._equal)
            and all(
                any(_same(_at(document, field), value) for value in values)
                for field, values in self._among
            )
            and self.lets_through(document)
        )


def _at(document: Any, field: str) -> Any:
    for step in field.split("."):
        if not isinstance(document, Mapping) or step not in document:
            return _MISSING
        document = document[step]
    return document


def _same(found: Any, wanted: Any) -> bool:
    # To Python a truth value is a number; to JSON it is none.
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted


def _json(field: str, value: Any) -> Any:
    """The value as a document would hold it."""
    try:
        return json.loads(json.dumps(value, default=str, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise storage(f"criteria: {field}: {error}") from error


def _pattern(field: str, operand: Any) -> re.Pattern[str]:
    try:
        return re.compile(operand)
    except (TypeError, re.error) as error:
        raise storage(f"criteria: {field}: not a pattern: {error}") from error
