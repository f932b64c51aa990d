"""The broker's contract on every store of the engine."""

from __future__ import annotations

import logging
import unittest
from typing import Any

import behaviours
import behaviours_of_tasks  # noqa: F401 (adds its own)
from brokers import Ours
from places import OnEveryStore, on_every_store


@on_every_store(globals())
class TestContract(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.broker = Ours(self.place())
        self.addCleanup(self.broker.forget)


def _added(behaviour: Any) -> Any:
    def test(self: Any) -> None:
        behaviour(self.broker)

    return test


for _behaviour in behaviours.ALL:
    for _class in [value for name, value in globals().items() if name.startswith("TestContract_")]:
        setattr(_class, f"test_{_behaviour.__name__}", _added(_behaviour))


if __name__ == "__main__":
    unittest.main()
