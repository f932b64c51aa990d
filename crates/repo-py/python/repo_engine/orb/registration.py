"""Telling the broker of the strategy: the entry point ``orb.providers``.

The broker calls ``register_plugin`` several times and before it has read its
configuration; so nothing is opened here, and nothing of the broker is imported before
it asks.
"""

from __future__ import annotations

import inspect
import logging
import sys
from typing import Any

#: The name in ``storage.strategy``.
NAME = "repo_engine"

_logger = logging.getLogger(__name__)

#: The broker's methods that make a repository of one kind, and which.
_MAKERS = {
    "create_machine_repository": "machines",
    "create_request_repository": "requests",
    "create_template_repository": "templates",
}

#: How far up they are looked for.
_FRAMES = 12


def register_plugin() -> None:
    """Registers the strategy, unless it is registered already. Never raises: the broker
    goes on without it then, and says that the strategy is unknown."""
    try:
        from orb.infrastructure.storage.registry import get_storage_registry

        registry = get_storage_registry()
        if registry.is_registered(NAME):
            return
        options: dict[str, Any] = {"unit_of_work_factory": create_unit_of_work}
        if "display_name" in inspect.signature(registry.register_storage).parameters:
            options["display_name"] = "repo-engine"
        registry.register_storage(NAME, create_strategy, create_config, **options)
    except Exception:
        _logger.exception(
            "repo-engine could not be registered as a storage strategy; it needs orb-py 1.8.5 "
            "or a later 1.x"
        )


def create_config(data: Any) -> dict[str, Any]:
    """The block as the broker hands it on."""
    return dict(data or {})


def create_strategy(config: Any) -> Any:
    """A strategy for a repository of the broker's container."""
    from .config import settings_of
    from .strategy import RepoEngineStrategy

    return RepoEngineStrategy.alone(settings_of(config), _asked_for())


def create_unit_of_work(config: Any) -> Any:
    """A unit of work."""
    from .config import settings_of
    from .unit_of_work import RepoEngineUnitOfWork

    return RepoEngineUnitOfWork(settings_of(config))


def _asked_for() -> str:
    """Which kind of entities the strategy is for. The broker does not say it, but the
    method of its factory that asks has it in its name; where none is found the strategy
    serves all kinds."""
    from .collections import GENERIC

    frame = sys._getframe(1)
    for _ in range(_FRAMES):
        kind = _MAKERS.get(frame.f_code.co_name)
        if kind is not None:
            return kind
        if frame.f_back is None:
            break
        frame = frame.f_back
    return GENERIC
