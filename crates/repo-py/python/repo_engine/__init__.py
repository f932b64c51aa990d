"""Entities in JSON files, SQLite, PostgreSQL, DynamoDB or object storage, under one contract.

    from repo_engine import Store

    with Store.open("sqlite:app.db", schemas=["jobs"]) as store:
        store.put("jobs", "j-1", {"id": "j-1", "status": "new"}, expect="absent")
        job = store.get("jobs", "j-1")
        store.put("jobs", "j-1", {**job.json(), "status": "done"}, expect=job.version)
        for job in store.find("jobs", {"status": "done"}, order_by="id"):
            print(job.id, job.version, job.document)

A call that returned is on disk. A write over a version that is not the stored one any
more is a ConflictError, and nothing was written. Every call gives the interpreter's lock
back while it waits.

Documents are JSON objects. They go in as JSON text, or as values that ``json.dumps``
takes, and come out as text (``entity.document``) or values (``entity.json()``). Numbers
are exact in the store; ``entity.json(parse_float=decimal.Decimal)`` keeps them so.

``repo_engine.aio`` has the same for asyncio, ``repo_engine.migrate`` moves everything
from one store to another.
"""

from __future__ import annotations

from . import errors
from ._native import Entities, Entity, Page, Store, Transaction, Write, __version__
from .errors import *  # noqa: F403 (their names are listed there, and only there)
from .migration import ProgressEvent, migrate

__all__ = [
    "Entities",
    "Entity",
    "Page",
    "ProgressEvent",
    "Store",
    "Transaction",
    "Write",
    "__version__",
    "migrate",
]
__all__ += errors.__all__
