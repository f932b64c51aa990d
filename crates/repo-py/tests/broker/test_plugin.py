"""What the broker meets before it stores anything: registration, the configuration
block, errors, forks."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from brokers import Ours, machine
from places import Places
from repo_engine import errors as engine_errors
from repo_engine.orb import config, registration
from repo_engine.orb.errors import of_engine

from orb.domain.base.exceptions import ConcurrencyError, ConfigurationError
from orb.infrastructure.storage import exceptions
from orb.infrastructure.storage.registry import get_storage_registry, reset_storage_registry


class TestRegistration(unittest.TestCase):
    def test_the_entry_point_is_found_and_may_be_called_often(self) -> None:
        points = importlib.metadata.entry_points(group="orb.providers")
        (point,) = [point for point in points if point.name == "repo_engine"]
        register = point.load()
        self.addCleanup(register)
        for _ in range(2):
            reset_storage_registry()
            for _ in range(3):
                with self.assertNoLogs(level=logging.WARNING):
                    register()
            self.assertTrue(get_storage_registry().is_registered("repo_engine"))

    def test_it_never_raises(self) -> None:
        with mock.patch(
            "orb.infrastructure.storage.registry.get_storage_registry", side_effect=RuntimeError
        ):
            with self.assertLogs(registration.__name__, logging.ERROR):
                registration.register_plugin()


class TestConfiguration(Places):
    def setUp(self) -> None:
        super().setUp()
        patched = mock.patch.dict(os.environ, ORB_WORK_DIR=str(self.folder))
        patched.start()
        self.addCleanup(patched.stop)

    def settings(self, block: Any) -> config.Settings:
        return config.settings_of({"storage": {"repo_engine_strategy": block}})

    def test_relative_paths_are_below_the_work_directory(self) -> None:
        below = str(self.folder)
        self.assertEqual(self.settings({"store": "sqlite:a.db"}).place, f"sqlite:{below}/a.db")
        self.assertEqual(self.settings({"store": "json:data"}).place, f"json:{below}/data")
        self.assertEqual(self.settings({"store": "sqlite:/srv/a.db"}).place, "sqlite:/srv/a.db")
        objects = self.settings({"store": "object:file:objects"}).place
        self.assertEqual(objects, f"object:file:{below}/objects")
        for url in (
            "postgresql://u@h/d",
            "dynamodb:prefix",
            "object:s3://bucket/prefix",
            "object:file:///srv/objects",
        ):
            self.assertEqual(self.settings({"store": url}).place, url)
        self.assertEqual(self.settings({"store": "memory:", "schemas": "s"}).schemas, f"{below}/s")

    def test_the_engines_own_section(self) -> None:
        below = str(self.folder)
        cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"strategy": "json"}, {"json_strategy": {"base_path": f"{below}/data"}}),
            (
                {"strategy": "sql", "sql_strategy": {"type": "sqlite", "name": "b.db"}},
                {"sql_strategy": {"type": "sqlite", "name": f"{below}/b.db"}},
            ),
            (
                {"strategy": "postgresql", "sql_strategy": {"name": "broker"}},
                {"sql_strategy": {"name": "broker"}},
            ),
            ({"strategy": "dynamodb", "dynamodb_strategy": {"region": "x"}}, {}),
            (
                {"strategy": "object", "object_strategy": {"location": "file:objects"}},
                {"object_strategy": {"location": f"file:{below}/objects"}},
            ),
        ]
        for block, expected in cases:
            place = self.settings(block).place
            assert isinstance(place, dict)
            for key, value in expected.items():
                self.assertEqual(place["storage"][key], value, block)
            self.assertEqual(place["storage"]["strategy"], block["strategy"])

    def test_a_file_of_the_engine(self) -> None:
        file = Path(self.folder) / "repository.json"
        file.write_text(json.dumps({"storage": {"strategy": "sqlite"}}))
        place = self.settings({"config": "repository.json"}).place
        assert isinstance(place, dict)
        name = place["storage"]["sql_strategy"]["name"]
        self.assertEqual(name, f"{self.folder}/request_database.db")
        with self.assertRaises(ConfigurationError):
            self.settings({"config": "none.json"})

    def test_what_cannot_be_is_refused_in_words(self) -> None:
        for block, words in [
            ({}, "exactly one"),
            ({"store": "memory:", "config": "x"}, "exactly one"),
            ({"store": "memory:", "stores": 1}, "stores"),
            ({"store": 7}, "URL"),
            ({"store": "memory:", "cas": "never"}, "cas"),
            ({"store": "memory:", "strong_queries": "no"}, "strong_queries"),
            ("sqlite:a.db", "object"),
        ]:
            with self.assertRaises(ConfigurationError) as met:
                self.settings(block)
            self.assertIn(words, str(met.exception), block)

    def test_the_typed_configuration_has_no_block_and_the_managers_is_found(self) -> None:
        class Manager:
            def get(self, key: str, default: Any = None) -> Any:
                return {"store": "memory:"} if key == config.BLOCK else default

        with mock.patch.object(config, "_manager", Manager):
            found = config.settings_of({"storage": {"strategy": "repo_engine"}})
        self.assertEqual(found.place, "memory:")
        self.assertEqual(config.settings_of(Manager()).place, "memory:")

    def test_nothing_secret_is_in_the_fingerprint(self) -> None:
        block = {"strategy": "postgresql", "sql_strategy": {"name": "b", "password": "hunter2"}}
        self.assertNotIn("hunter2", self.settings(block).fingerprint)


class TestErrors(unittest.TestCase):
    def test_each_kind_is_an_error_of_the_broker(self) -> None:
        expected: dict[str, type[Exception]] = {
            "Conflict": ConcurrencyError,
            "AlreadyExists": ConcurrencyError,
            "ConfigInvalid": ConfigurationError,
            "Corrupt": exceptions.DataIntegrityError,
            "Unavailable": exceptions.ConnectionError,
            "OutcomeUnknown": exceptions.ConnectionError,
            "PermissionDenied": exceptions.ConnectionError,
        }
        for kind in engine_errors._OF_KIND:
            error = engine_errors._made(kind, "commit", "what happened", [], "do this", False, [])
            made = of_engine(error)
            self.assertIs(type(made), expected.get(kind, exceptions.StorageError), kind)
            self.assertIn("what happened", str(made))
            self.assertIn("do this", str(made))

    def test_a_conflict_names_what_failed(self) -> None:
        failed = [("requests", "req-1", None, 3, 4)]
        made = of_engine(engine_errors._made("Conflict", "commit", "m", [], None, False, failed))
        assert isinstance(made, ConcurrencyError)
        self.assertEqual(made.details["entity_id"], "req-1")
        self.assertEqual(made.details["expected_version"], 3)
        self.assertEqual(made.details["actual_version"], 4)


class TestForks(Places):
    def test_a_strategy_outlives_a_fork_on_both_sides(self) -> None:
        for url in (f"sqlite:{self.folder}/a.db", f"json:{self.folder}/data"):
            broker = Ours(url)
            self.addCleanup(broker.forget)
            machines = broker.strategy("machines")
            machines.save("m-1", machine("m-1"))
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    machines.save("m-2", machine("m-2"))
                    code = 0 if machines.exists("m-1") else 2
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 0, url)
            machines.save("m-3", machine("m-3"))
            self.assertEqual(sorted(machines.find_all()), ["m-1", "m-2", "m-3"], url)


if __name__ == "__main__":
    unittest.main()
