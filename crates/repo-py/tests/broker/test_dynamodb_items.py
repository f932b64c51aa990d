"""What the broker itself keeps in DynamoDB, migrated into every store, with every field."""

from __future__ import annotations

import logging
import os
import secrets
import unittest
from decimal import Decimal
from typing import Any

import state
from brokers import ID_FIELDS, OrbDynamo, Ours
from places import OnEveryStore, chosen, on_every_store
from repo_engine import migrate

#: More than the items that one request of DynamoDB takes.
REQUESTS = 30


def plain(value: dict[str, Any]) -> Any:
    """An attribute as JSON has it, its numbers exact."""
    ((kind, held),) = value.items()
    if kind == "N":
        return Decimal(held)
    if kind == "NULL":
        return None
    if kind == "L":
        return [plain(one) for one in held]
    if kind == "M":
        return {name: plain(one) for name, one in held.items()}
    assert kind in ("S", "BOOL"), kind
    return held


def stored_items(table: str) -> dict[str, dict[str, Any]]:
    """The items of a table by their ids, read without the broker and without the engine."""
    import boto3

    client = boto3.client("dynamodb", region_name=os.environ["AWS_REGION"])
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    documents = [{name: plain(value) for name, value in item.items()} for item in items]
    return {document.pop("id"): document for document in documents}


class TestItems(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.theirs = OrbDynamo(f"orb{secrets.token_hex(6)}")

    def items(self) -> dict[str, dict[str, dict[str, Any]]]:
        prefix = self.theirs.prefix
        return {name: stored_items(f"{prefix}-{name}") for name in state.COLLECTIONS}

    def test_every_field_arrives_and_the_broker_reads_the_same(self) -> None:
        ids = state.fill(self.theirs, REQUESTS)
        before = self.items()
        self.assertEqual({name: set(found) for name, found in before.items()}, ids)

        source, target = f"dynamodb:{self.theirs.prefix}", self.place()
        report = migrate(source, target, backup=self.folder / "backups")
        count = sum(len(found) for found in before.values())
        self.assertEqual((report["outcome"], report["totals"]["read"]), ("verified", count))
        self.assertEqual(report["totals"]["applied"], count)
        self.assertEqual(self.items(), before, "the source has changed")

        store = self.opened(target, read_only=True)
        for name, documents in before.items():
            self.assertEqual(store.count(name, strong=True), len(documents))
            for entity in store.scan(name, strong=True):
                found = entity.json(parse_float=Decimal, parse_int=Decimal)
                self.assertEqual(found, documents[entity.id])
                self.assertEqual(found[ID_FIELDS[name]], entity.id)

        ours = Ours(target)
        self.addCleanup(ours.forget)
        for name in state.COLLECTIONS:
            theirs = state.kept(self.theirs, name)
            for document in theirs.values():
                del document["id"]
            self.assertEqual(state.kept(ours, name), theirs)

        again = migrate(source, target, backup=None)
        self.assertEqual(again["totals"]["equal"], count)
        self.assertEqual(again["totals"]["applied"], 0)


# The source is in DynamoDB, whatever the target is.
if "dynamodb" in chosen():
    on_every_store(globals())(TestItems)
del TestItems

if __name__ == "__main__":
    unittest.main()
