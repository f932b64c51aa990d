"""Machines requested, looked at and returned through the broker's SDK, and what is stored of
that at each step, read by another program."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from typing import Any

from installed import Installed
from places import OnEveryStore, on_every_store
from repo_engine import Store

TEMPLATE = "small"

#: The longest time that a process may take for everything, in seconds.
PATIENCE = 300

#: How often a request is looked at until it has ended.
LOOKS = 20

Documents = dict[str, dict[str, Any]]


class Provisioner:
    """A process of ``provisioner.py``, which has machines of its own."""

    def __init__(self, test: unittest.TestCase, folder: Path, store: str) -> None:
        installed = Installed(folder)
        script = Path(__file__).with_name("provisioner.py")
        block = json.dumps({"store": store})
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(folder), block],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=installed.environment(),
            cwd=installed.work,
            text=True,
        )
        patience = threading.Timer(PATIENCE, self._process.kill)
        patience.start()
        for clean in (patience.cancel, self._process.wait, self._process.kill):
            test.addCleanup(clean)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            test.addCleanup(pipe.close)
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the broker has ended: {self._process.poll()}"
        return line.rstrip("\n")

    def send(self, name: str, *words: str) -> None:
        """Begins a call."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *words]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """The answer of the call that was begun first."""
        said = json.loads(self._line())
        assert "error" not in said, said["error"]
        return said["answer"]

    def ask(self, name: str, *words: str) -> Any:
        """Calls, and waits for the answer."""
        self.send(name, *words)
        return self.answer()


@on_every_store(globals())
class TestProvisioning(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        self.url = self.place()

    def broker(self, name: str) -> Provisioner:
        return Provisioner(self, self.folder / name, self.url)

    def kept(self) -> tuple[Documents, Documents]:
        """The requests and machines in the store, by their ids."""
        with Store.open(self.url, read_only=True) as store:
            found: list[Documents] = []
            for collection in ("requests", "machines"):
                entities = list(store.scan(collection, strong=True))
                documents = {entity.id: entity.json() for entity in entities}
                self.assertEqual(len(documents), len(entities), "an id came twice")
                self.assertEqual(len(documents), store.count(collection, strong=True))
                found.append(documents)
        return found[0], found[1]

    def one_each(self, requests: list[str], instances: list[str]) -> None:
        """These requests are stored with one machine each, and nothing else is."""
        kept, machines = self.kept()
        self.assertEqual(sorted(kept), sorted(requests))
        self.assertEqual(sorted(machines), sorted(instances))
        ids = [id for request in kept.values() for id in request["machine_ids"]]
        self.assertEqual(sorted(ids), sorted(instances))
        for id, request in kept.items():
            self.assertEqual((request["request_id"], request["status"]), (id, "complete"))
            (machine,) = (machines[machine] for machine in request["machine_ids"])
            self.assertEqual(machine["request_id"], id)
            self.assertEqual(machine["template_id"], TEMPLATE)
            self.assertIsNone(machine.get("return_request_id"))

    def looked_at(self, broker: Provisioner, requests: list[str]) -> None:
        """Looks until the requests are complete; what the broker says is what is stored."""
        said: dict[str, str] = {}
        for _ in range(LOOKS):
            answer = broker.ask("status", *requests)["requests"]
            said = {request["request_id"]: request["status"] for request in answer}
            if set(said.values()) == {"complete"}:
                break
        kept, _ = self.kept()
        self.assertEqual(said, {id: kept[id]["status"] for id in requests})
        self.assertEqual(set(said.values()), {"complete"})

    def test_machines_are_requested_looked_at_and_returned(self) -> None:
        first = self.broker("first")
        of_first = [first.ask("request", TEMPLATE)["request_id"]]
        kept, machines = self.kept()
        self.assertEqual(list(kept), of_first)
        self.assertEqual(sorted(machines), sorted(first.ask("instances")))

        # Two brokers write to one store at the same time.
        second = self.broker("second")
        for broker in (first, second):
            for _ in range(2):
                broker.send("request", TEMPLATE)
        of_first += [first.answer()["request_id"] for _ in range(2)]
        of_second = [second.answer()["request_id"] for _ in range(2)]
        self.looked_at(first, of_first)
        self.looked_at(second, of_second)
        instances = {**first.ask("instances"), **second.ask("instances")}
        self.assertEqual(len(instances), 5)
        self.assertEqual(set(instances.values()), {"running"})
        self.one_each(of_first + of_second, list(instances))
        # Looking again changes nothing of that.
        self.looked_at(first, of_first)
        self.one_each(of_first + of_second, list(instances))

        mine = sorted(first.ask("instances"))
        back = first.ask("return", *mine)["request_id"]
        self.looked_at(first, [back])
        kept, machines = self.kept()
        self.assertEqual(sorted(kept), sorted([*of_first, *of_second, back]))
        self.assertEqual(sorted(machines), sorted(instances))
        self.assertEqual(kept[back]["request_type"], "return")
        self.assertEqual(sorted(kept[back]["machine_ids"]), mine)
        self.assertEqual(set(first.ask("instances").values()), {"terminated"})
        for id, machine in machines.items():
            returned = (machine.get("return_request_id"), machine["status"] == "terminated")
            self.assertEqual(returned, (back, True) if id in mine else (None, False), id)
        self.assertEqual(set(second.ask("instances").values()), {"running"})


if __name__ == "__main__":
    unittest.main()
