"""What a store does, on every store."""

from __future__ import annotations

import decimal
import json
import os
import threading
import unittest
from typing import Any

import repo_engine
from places import OnEveryStore, Places, on_every_store
from repo_engine import (
    AlreadyExistsError,
    ClosedError,
    ConfigInvalidError,
    ConflictError,
    FailedPrecondition,
    InvalidError,
    LimitExceededError,
    NotFoundError,
    Store,
    Write,
)

JOBS: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "x-repository": {
        "collection": "jobs",
        "idField": "id",
        "indexes": [["status"]],
        "schemaVersion": 1,
    },
    "required": ["id"],
    "properties": {"id": {"type": "string"}, "status": {"type": ["string", "null"]}},
}


def job(id: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, **fields}


@on_every_store(globals())
class TestStore(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        self.url = self.place()
        self.store: Store = self.opened(self.url, schemas=[JOBS, "notes"])

    def fill(self, count: int) -> None:
        for start in range(0, count, 50):
            numbers = range(start, min(start + 50, count))
            self.store.commit(
                [
                    Write.put("jobs", f"j-{n:04}", job(f"j-{n:04}", n=n, status=f"s{n % 3}"))
                    for n in numbers
                ]
            )

    def test_what_is_put_comes_back_with_versions_and_times(self) -> None:
        self.assertEqual(self.store.put("jobs", "a", '{ "id": "a", "n": 1.50 }'), 1)
        self.assertEqual(self.store.put("jobs", "a", job("a", n=2)), 2)
        found = self.store.get("jobs", "a")
        assert found is not None
        self.assertEqual((found.collection, found.id, found.version), ("jobs", "a", 2))
        self.assertEqual(found.json(), {"id": "a", "n": 2})
        self.assertIsInstance(found.document, str)
        assert found.created_at is not None and found.updated_at is not None
        self.assertLess(found.created_at, found.updated_at)
        self.assertIsNone(self.store.get("jobs", "b"))

    def test_numbers_are_exact(self) -> None:
        digits = "0.1234567890123456789012345678901234567"
        self.store.put("jobs", "a", f'{{"id":"a","n":{digits},"big":12345678901234567890}}')
        found = self.store.get("jobs", "a")
        assert found is not None
        exact = found.json(parse_float=decimal.Decimal)
        self.assertEqual(exact["n"], decimal.Decimal(digits))
        self.assertEqual(exact["big"], 12345678901234567890)

    def test_preconditions(self) -> None:
        put = self.store.put
        with self.assertRaises(NotFoundError):
            put("jobs", "a", job("a"), expect="exists")
        self.assertEqual(put("jobs", "a", job("a"), expect="absent"), 1)
        with self.assertRaises(AlreadyExistsError):
            put("jobs", "a", job("a"), expect="absent")
        self.assertEqual(put("jobs", "a", job("a"), expect=1), 2)
        with self.assertRaises(ConflictError) as met:
            put("jobs", "a", job("a"), expect=1)
        error = met.exception
        self.assertEqual(error.failed_preconditions, (FailedPrecondition("jobs", "a", 1, 2),))
        self.assertEqual((error.kind, error.retryable), ("Conflict", False))
        with self.assertRaises(ConflictError):
            self.store.delete("jobs", "a", expect=1)
        self.assertEqual(self.store.delete("jobs", "a", expect=2), 3)
        self.assertIsNone(self.store.delete("jobs", "a"))
        # A version never comes twice.
        self.assertEqual(put("jobs", "a", job("a")), 4)

    def test_what_is_no_precondition_is_refused(self) -> None:
        cases = (("new", InvalidError), (0, InvalidError), (True, TypeError), (1.0, TypeError))
        for wrong, kind in cases:
            with self.assertRaises(kind, msg=repr(wrong)):
                self.store.put("jobs", "a", job("a"), expect=wrong)  # type: ignore[arg-type]

    def test_what_is_no_document_is_refused_with_its_place(self) -> None:
        with self.assertRaises(InvalidError) as met:
            self.store.put("jobs", "a", {"id": "a", "tags": {"": 1}})
        self.assertEqual(met.exception.context["pointer"], "/tags")
        with self.assertRaises(InvalidError):
            self.store.put("jobs", "a", {"id": "b"})
        with self.assertRaises(InvalidError):
            self.store.put("jobs", "a", {"id": "a", "text": "\ud800"})
        with self.assertRaises(ValueError):
            self.store.put("jobs", "a", {"id": "a", "n": float("nan")})
        with self.assertRaises(TypeError):
            self.store.put("jobs", "a", {"id": "a", "n": object()})
        self.assertEqual(self.store.count("jobs", strong=True), 0)

    def test_many_are_read_in_their_order(self) -> None:
        self.fill(3)
        found = self.store.get_many("jobs", ["j-0002", "none", "j-0000"])
        self.assertEqual([one and one.id for one in found], ["j-0002", None, "j-0000"])
        self.assertEqual(self.store.get_many("jobs", []), [])

    def test_a_commit_is_all_or_nothing_over_collections(self) -> None:
        versions = self.store.commit(
            [
                Write.put("jobs", "a", job("a"), expect="absent"),
                Write.put("notes", "n", {"id": "n"}),
                Write.check("jobs", "b", expect="absent"),
                Write.delete("jobs", "c"),
            ]
        )
        self.assertEqual(versions, [1, 1, None, None])
        with self.assertRaises(ConflictError) as met:
            self.store.commit(
                [
                    Write.put("notes", "n", {"id": "n", "text": "new"}),
                    Write.put("jobs", "a", job("a"), expect=7),
                ]
            )
        self.assertEqual(met.exception.failed_preconditions[0].expected, 7)
        note = self.store.get("notes", "n")
        assert note is not None
        self.assertEqual((note.version, note.json()), (1, {"id": "n"}))

    def test_a_limit_of_the_store_is_known_and_kept(self) -> None:
        most = self.store.capabilities()["max_commit_keys"]
        self.assertEqual(most, 100 if self.kind == "dynamodb" else None)
        if most is not None:
            writes = [Write.put("jobs", str(n), job(str(n))) for n in range(most + 1)]
            with self.assertRaises(LimitExceededError):
                self.store.commit(writes)
            self.assertEqual(self.store.count("jobs", strong=True), 0)

    def test_queries(self) -> None:
        self.fill(10)
        page = self.store.query("jobs", {"status": "s1"}, order_by="n:desc", limit=2, strong=True)
        self.assertEqual([one.json()["n"] for one in page], [7, 4])
        self.assertEqual(len(page), 2)
        assert page.cursor is not None
        rest = self.store.query(
            "jobs", {"status": "s1"}, order_by="n:desc", limit=2, cursor=page.cursor, strong=True
        )
        self.assertEqual([one.json()["n"] for one in rest.entities], [1])
        self.assertIsNone(rest.cursor)
        found = self.store.find("jobs", '{"n": {"$ge": 8}}', order_by="n", strong=True)
        self.assertEqual([one.id for one in found], ["j-0008", "j-0009"])
        self.assertEqual(self.store.count("jobs", {"n": {"$lt": 3}}, strong=True), 3)
        with self.assertRaises(InvalidError):
            self.store.query("jobs", {"n": {"$below": 3}})
        with self.assertRaises(InvalidError):
            self.store.query("jobs", limit=0)

    def test_everything_is_read_in_batches(self) -> None:
        self.fill(130)
        scan = self.store.scan("jobs", batch_size=10, strong=True)
        first = scan.next_batch()
        self.assertTrue(0 < len(first) <= 10)
        ids = [one.id for one in first] + [one.id for one in scan]
        self.assertEqual(sorted(ids), [f"j-{n:04}" for n in range(130)])
        self.assertEqual(scan.next_batch(), [])
        self.store.delete("jobs", "j-0000")
        self.assertEqual(sum(1 for _ in self.store.scan("jobs", strong=True)), 129)

    def test_counts_by_a_field(self) -> None:
        self.fill(5)
        self.store.put("jobs", "x", job("x", status=None, n=1))
        self.store.put("jobs", "y", job("y", n=1.0))
        counts = self.store.count_by("jobs", "status", strong=True)
        self.assertEqual(counts, {"s0": 2, "s1": 2, "s2": 1, None: 2})
        counts = self.store.count_by("jobs", "n", {"status": "s1"}, strong=True)
        self.assertEqual(counts, {"1": 1, "4": 1})

    def test_aggregates(self) -> None:
        self.fill(5)
        self.store.put("jobs", "x", job("x", status=None, n=0.25))
        self.store.put("jobs", "y", job("y", n="many"))
        groups = self.store.aggregate("jobs", strong=True)
        self.assertEqual(groups, [{"group": {}, "values": {"count": 7}}])
        asked = ["count", "sum(n)", "max(n)", "avg(n)"]
        groups = self.store.aggregate(
            "jobs", {"status": {"$ne": "s2"}}, group_by=["status"], functions=asked, strong=True
        )
        self.assertEqual(
            [one["group"] for one in groups],
            [{}, {"status": None}, {"status": "s0"}, {"status": "s1"}],
        )
        missing, null, s0 = (one["values"] for one in groups[:3])
        self.assertEqual(missing["sum(n)"], {"sum": 0, "numbers": 0, "skipped": 1})
        self.assertEqual(missing["max(n)"], {"value": "many", "skipped": 0})
        self.assertEqual(missing["avg(n)"]["average"], None)
        self.assertEqual(null["sum(n)"]["sum"], decimal.Decimal("0.25"))
        self.assertIsInstance(null["sum(n)"]["sum"], decimal.Decimal)
        self.assertEqual((s0["count"], s0["sum(n)"]["sum"]), (2, 3))
        self.assertEqual(s0["avg(n)"]["average"], decimal.Decimal("1.5"))
        with self.assertRaises(LimitExceededError):
            self.store.aggregate("jobs", group_by=["status"], max_groups=2, strong=True)
        refused: list[dict[str, Any]] = [
            {"functions": ["median(n)"]},
            {"group_by": ["a..b"]},
            {"max_groups": 0},
        ]
        for wrong in refused:
            with self.assertRaises(InvalidError):
                self.store.aggregate("jobs", **wrong)

    def test_a_transaction_commits_or_rolls_back(self) -> None:
        self.fill(2)
        with self.store.transaction() as tx:
            seen = tx.get("jobs", "j-0000")
            assert seen is not None
            self.assertEqual(seen.version, 1)
            tx.put("jobs", "j-0000", {**seen.json(), "status": "done"})
            own = tx.get("jobs", "j-0000")
            assert own is not None
            self.assertEqual((own.version, own.json()["status"]), (None, "done"))
            tx.delete("jobs", "j-0001", expect=1)
            self.assertEqual(tx.get_many("jobs", ["j-0001", "none"]), [None, None])
            stored = self.store.get("jobs", "j-0000")
            assert stored is not None
            self.assertEqual(stored.version, 1, "nothing is written before the commit")
        stored = self.store.get("jobs", "j-0000")
        assert stored is not None
        self.assertEqual((stored.version, stored.json()["status"]), (2, "done"))
        self.assertIsNone(self.store.get("jobs", "j-0001"))

        class Enough(Exception):
            pass

        with self.assertRaises(Enough):
            with self.store.transaction() as tx:
                tx.put("jobs", "j-0000", job("j-0000"))
                tx.put("notes", "n", {"id": "n"})
                raise Enough
        stored = self.store.get("jobs", "j-0000")
        assert stored is not None
        self.assertEqual(stored.version, 2)
        self.assertIsNone(self.store.get("notes", "n"))

    def test_what_was_read_and_has_changed_is_a_conflict(self) -> None:
        self.fill(1)
        tx = self.store.transaction()
        self.assertIsNone(tx.get("notes", "n"))
        tx.put("jobs", "j-0000", job("j-0000", n=9))
        self.store.put("notes", "n", {"id": "n"})
        with self.assertRaises(ConflictError):
            tx.commit()
        with self.assertRaises(ClosedError):
            tx.get("jobs", "j-0000")
        stored = self.store.get("jobs", "j-0000")
        assert stored is not None
        self.assertEqual(stored.version, 1)

    def test_a_transaction_that_the_block_ended_is_left_alone(self) -> None:
        with self.store.transaction() as tx:
            tx.put("jobs", "a", job("a"))
            self.assertEqual(tx.commit(), {("jobs", "a"): 1})
        with self.store.transaction() as tx:
            tx.put("jobs", "a", job("a", n=1))
            tx.rollback()
        stored = self.store.get("jobs", "a")
        assert stored is not None
        self.assertEqual(stored.version, 1)

    def test_a_run_is_repeated_after_a_conflict(self) -> None:
        self.store.put("jobs", "n", job("n", n=0))

        def more(tx: Any) -> int:
            value = tx.get("jobs", "n").json()["n"] + 1
            tx.put("jobs", "n", job("n", n=value))
            return int(value)

        def often() -> None:
            for _ in range(10):
                self.store.run(more)

        threads = [threading.Thread(target=often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stored = self.store.get("jobs", "n")
        assert stored is not None
        self.assertEqual(stored.json()["n"], 40)
        self.assertEqual(self.store.run(lambda tx: "done"), "done")
        with self.assertRaises(ZeroDivisionError):
            self.store.run(lambda tx: 1 // 0)

    def test_two_handles_see_each_other(self) -> None:
        other = self.opened(self.url, schemas=[JOBS, "notes"])
        self.store.put("jobs", "a", job("a"))
        self.assertIsNotNone(other.get("jobs", "a"))

    def test_a_collection_that_was_not_named_is_not_there(self) -> None:
        with self.assertRaises(NotFoundError) as met:
            self.store.get("machines", "m")
        self.assertTrue(met.exception.hint)

    def test_health_and_description(self) -> None:
        health = self.store.health()
        self.assertTrue(health["ok"], health)
        self.assertTrue(self.store.health(deep=True)["ok"])
        self.assertEqual(self.store.collections, ["jobs", "notes"])
        self.assertIn(self.kind, self.store.location)
        self.assertIn(self.store.location, repr(self.store))
        self.store.checkpoint()

    def test_a_closed_store_says_so(self) -> None:
        self.store.close()
        self.store.close()
        with self.assertRaises(ClosedError):
            self.store.get("jobs", "a")

    def test_reading_only(self) -> None:
        self.fill(1)
        self.store.close()
        reader = self.opened(self.url, schemas=[JOBS, "notes"], read_only=True)
        self.assertEqual(reader.count("jobs", strong=True), 1)
        with self.assertRaises(repo_engine.UnsupportedError):
            reader.put("jobs", "a", job("a"))
        with self.assertRaises(NotFoundError):
            Store.open(self.place(), read_only=True)


class TestOpening(Places):
    def test_the_collections_of_a_host_factory_without_others(self) -> None:
        store = self.opened(f"sqlite:{self.folder}/a.db")
        self.assertEqual(store.collections, ["machines", "requests", "templates"])
        self.assertEqual(store.put("machines", "m-1", {"machine_id": "m-1"}), 1)

    def test_a_folder_of_schemas(self) -> None:
        schema = '{"type":"object","x-repository":{"collection":"jobs","idField":"id"}}'
        (self.folder / "jobs.schema.json").write_text(schema)
        for folder in (self.folder, str(self.folder)):
            store = self.opened("memory:", schemas=folder)
            self.assertEqual(store.collections, ["jobs"])
        with self.assertRaises(ConfigInvalidError):
            Store.open("memory:", schemas=["jobs", schema])

    def test_a_configuration_as_a_file_and_as_values(self) -> None:
        name = str(self.folder / "a.db")
        values = {"storage": {"strategy": "sqlite", "sql_strategy": {"name": name}}}
        file = self.folder / "repository.json"
        file.write_text(json.dumps(values))
        with Store.open(values) as store:
            store.put("machines", "m-1", {"machine_id": "m-1"})
        with Store.open(file) as store:
            self.assertIsNotNone(store.get("machines", "m-1"))

    def test_what_names_no_store_is_refused(self) -> None:
        cases: list[tuple[Any, type[Exception], str]] = [
            ("sqlit:a.db", ConfigInvalidError, "sqlite"),
            ({"storage": {"strategie": "json"}}, ConfigInvalidError, "strategy"),
            ({"strategy": "json"}, ConfigInvalidError, "storage"),
            (7, TypeError, "URL"),
            (self.folder / "none.json", ConfigInvalidError, "none.json"),
        ]
        for place, kind, words in cases:
            with self.assertRaises(kind) as met:
                Store.open(place)
            self.assertIn(words, str(met.exception), place)

    def test_variables_fill_a_configuration(self) -> None:
        os.environ["REPO_PY_TEST_NAME"] = str(self.folder / "b.db")
        self.addCleanup(os.environ.pop, "REPO_PY_TEST_NAME")
        values = {
            "storage": {"strategy": "sqlite", "sql_strategy": {"name": "${REPO_PY_TEST_NAME}"}}
        }
        self.opened(values)
        self.assertTrue((self.folder / "b.db").exists())


if __name__ == "__main__":
    unittest.main()
