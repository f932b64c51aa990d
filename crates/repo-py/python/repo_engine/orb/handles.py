"""Open stores: one for each configuration and process.

The broker makes a unit of work for every operation, and a strategy for every
repository; all of them use one store. A forked child opens its own.
"""

from __future__ import annotations

import atexit
import os
import threading

from .. import Store
from .config import Settings
from .errors import translated

_lock = threading.Lock()
_open: dict[str, Store] = {}


def store_of(settings: Settings) -> Store:
    """The open store of a configuration."""
    key = settings.fingerprint
    with _lock:
        store = _open.get(key)
        if store is None:
            with translated():
                store = Store.open(settings.place, schemas=settings.schemas)
            _open[key] = store
        return store


def close_all() -> None:
    """Closes every store; the next use opens it anew."""
    with _lock:
        stores = list(_open.values())
        _open.clear()
    for store in stores:
        store.close()


def _before_fork() -> None:
    """SQLite's locks do not pass to a child, so its files are closed, and opened anew on
    both sides. What is under way in another thread at that moment fails, unapplied."""
    _lock.acquire()
    for key, store in list(_open.items()):
        if store.location.startswith("sqlite:"):
            del _open[key]
            store.close()


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    # They belong to the parent.
    _open.clear()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(close_all)
