"""The broker's unit of work, on this engine: one transaction over its three kinds of
entities."""

from __future__ import annotations

from typing import Any

from orb.infrastructure.storage.base.unit_of_work import BaseUnitOfWork
from orb.infrastructure.storage.repositories.machine_repository import MachineRepositoryImpl
from orb.infrastructure.storage.repositories.request_repository import RequestRepositoryImpl
from orb.infrastructure.storage.repositories.template_repository import TemplateRepositoryImpl

from .config import Settings
from .session import Session
from .strategy import RepoEngineStrategy


class RepoEngineUnitOfWork(BaseUnitOfWork):
    """Nothing is written before it commits; then everything is, or nothing. What was
    read by id and has changed since is a ConcurrencyError."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.session = Session(settings)
        self.machine_repository = MachineRepositoryImpl(self._strategy("machines"))
        self.request_repository = RequestRepositoryImpl(self._strategy("requests"))
        self.template_repository = TemplateRepositoryImpl(self._strategy("templates"))

    def _strategy(self, entity_type: str) -> RepoEngineStrategy:
        return RepoEngineStrategy(self.session, entity_type)

    @property
    def machines(self) -> Any:
        """The repository of machines."""
        return self.machine_repository

    @property
    def requests(self) -> Any:
        """The repository of requests."""
        return self.request_repository

    @property
    def templates(self) -> Any:
        """The repository of templates."""
        return self.template_repository

    def begin(self) -> None:
        """Begins it; one that cannot begin can be begun again."""
        already = self._in_transaction
        try:
            super().begin()
        except BaseException:
            self._in_transaction = already
            raise

    def commit(self) -> None:
        """Ends it, also with an error: nothing was written then, and it can be begun
        again."""
        try:
            super().commit()
        finally:
            self._in_transaction = False

    def rollback(self) -> None:
        """Ends it and drops all writes."""
        try:
            super().rollback()
        finally:
            self._in_transaction = False

    def _begin_transaction(self) -> None:
        self.session.begin()

    def _commit_transaction(self) -> None:
        self.session.commit()

    def _rollback_transaction(self) -> None:
        self.session.rollback()
