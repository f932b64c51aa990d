"""The broker's three kinds of entities, and which one a document is of."""

from __future__ import annotations

from typing import Any, Mapping, Union

#: The id field of each collection. A machine carries all three, and a request two of
#: them: so the order decides.
ID_FIELDS = {
    "machines": "machine_id",
    "requests": "request_id",
    "templates": "template_id",
}

#: What the broker calls a strategy that serves repositories of any kind.
GENERIC = "generic"

#: Whose documents have a version of the broker's own, one higher with each change.
VERSIONED = frozenset({"machines", "requests"})


def collection_of(document: Mapping[str, Any]) -> Union[str, None]:
    """The collection that a document belongs to, by its id fields."""
    for collection, field in ID_FIELDS.items():
        if document.get(field) is not None:
            return collection
    return None
