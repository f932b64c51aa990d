"""Migrations from Python: sample data into every store, with progress."""

from __future__ import annotations

import json
import os
import shutil
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import repo_engine
from places import OnEveryStore, Places, on_every_store
from repo_engine import ConfigInvalidError, ProgressEvent, Store, VerificationError, migrate

SAMPLE = Path(__file__).parents[3] / "examples" / "host-factory" / "data"


def sample() -> dict[str, dict[str, Any]]:
    text = (SAMPLE / "request_database.json").read_text()
    return json.loads(text)


@on_every_store(globals())
class TestMigrate(OnEveryStore):
    def test_sample_data_arrives_and_is_verified(self) -> None:
        shutil.copytree(SAMPLE, self.folder / "data")
        target, events = self.place(), []
        report = migrate(
            f"json:{self.folder}/data",
            target,
            backup=self.folder / "backups",
            progress=events.append,
        )
        self.assertEqual(report["outcome"], "verified")
        count = sum(len(documents) for documents in sample().values())
        self.assertEqual(report["totals"]["read"], count)
        self.assertTrue(os.path.isdir(report["backup"]))
        phases = [event.phase for event in events]
        for phase in ("copy", "verify"):
            self.assertIn(phase, phases)
        for event in events:
            self.assertIsInstance(event, ProgressEvent)
        store = self.opened(target, read_only=True)
        for collection, documents in sample().items():
            for id, document in documents.items():
                found = store.get(collection, id)
                self.assertEqual(found.json(), document)
        again = migrate(f"json:{self.folder}/data", target, backup=None)
        self.assertEqual(again["totals"]["equal"], count)


class TestRuns(Places):
    def filled(self, count: int) -> str:
        url = f"sqlite:{self.folder}/source.db"
        with Store.open(url, schemas=["jobs"]) as store:
            for start in range(0, count, 500):
                store.commit(
                    [
                        repo_engine.Write.put("jobs", f"j-{n:05}", {"id": f"j-{n:05}", "n": n})
                        for n in range(start, min(start + 500, count))
                    ]
                )
        return url

    def test_a_callback_may_use_stores_and_end_the_run(self) -> None:
        source, target = self.filled(3000), f"json:{self.folder}/target"
        other = self.opened("memory:", schemas=["notes"])

        class Enough(Exception):
            pass

        def progress(event: ProgressEvent) -> None:
            other.put("notes", "n", {"id": "n", "phase": event.phase})
            if event.phase == "copy":
                raise Enough

        options: dict[str, Any] = {"schemas": ["jobs"], "backup": None, "batch_size": 10}
        with self.assertRaises(Enough):
            migrate(source, target, progress=progress, rate_limit=2000, **options)
        note = other.get("notes", "n")
        assert note is not None
        self.assertEqual(note.json()["phase"], "copy")
        report = migrate(source, target, **options)
        self.assertEqual((report["outcome"], report["totals"]["read"]), ("verified", 3000))

    def test_a_dry_run_writes_nothing(self) -> None:
        source, target = self.filled(5), f"sqlite:{self.folder}/target.db"
        report = migrate(source, target, schemas=["jobs"], dry_run=True)
        self.assertEqual(report["outcome"], "dry_run")
        self.assertFalse((self.folder / "target.db").exists())

    def test_one_store_as_both_sides_is_refused(self) -> None:
        source = self.filled(1)
        for target in (source, f"sqlite:{self.folder}/../{self.folder.name}/source.db"):
            with self.assertRaises(ConfigInvalidError):
                migrate(source, target, schemas=["jobs"], backup=None)

    def test_a_wrong_option_is_named(self) -> None:
        with self.assertRaises(repo_engine.InvalidError) as met:
            migrate("memory:", "memory:", on_conflict="maybe")  # type: ignore[arg-type]
        self.assertIn("maybe", str(met.exception))

    def test_a_difference_that_should_not_be_is_raised(self) -> None:
        report = {"outcome": "differs", "source": "a", "target": "b"}
        with mock.patch("repo_engine._native.migrate", return_value=json.dumps(report)):
            with self.assertRaises(VerificationError) as met:
                migrate("memory:", "memory:")
        self.assertEqual(met.exception.report, report)


if __name__ == "__main__":
    unittest.main()
