"""The broker's own command line, in a process of its own, with the plugin installed."""

from __future__ import annotations

import unittest

from brokers import Ours, machine, request
from installed import Installed
from places import OnEveryStore, on_every_store


@on_every_store(globals())
class TestCommandLine(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        self.url = self.place()
        self.installed = Installed(self.folder)
        self.installed.engine({"store": self.url})

    def runs(self, line: str) -> str:
        done = self.installed.orb(line)
        self.assertEqual(done.returncode, 0, f"orb {line}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_storage_commands(self) -> None:
        self.assertIn("repo_engine", self.runs("storage list"))
        for line in ("storage show", "storage health", "storage test", "storage validate"):
            self.runs(line)

    def test_what_is_stored_is_listed(self) -> None:
        broker = Ours(self.url)
        self.addCleanup(broker.forget)
        id = "req-12345678-1234-4234-8234-123456789abc"
        broker.strategy("requests").save(id, request(id))
        broker.strategy("machines").save("i-0123456789abcdef0", machine("i-0123456789abcdef0"))
        broker.forget()
        self.assertIn(id, self.runs("requests list"))
        self.assertIn("i-0123456789abcdef0", self.runs("machines list"))

    def test_a_block_that_cannot_be_is_said(self) -> None:
        self.installed.engine({"store": self.url, "cas": "never"})
        done = self.installed.orb("machines list")
        self.assertNotEqual(done.returncode, 0)
        # Where the broker says it: its console is switched off here.
        self.assertIn('\\"cas\\" is \\"orb\\" or \\"off\\"', self.installed.log())


if __name__ == "__main__":
    unittest.main()
