"""The broker's own command line, in a process of its own, with the plugin installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from brokers import Ours, machine, request
from places import OnEveryStore, on_every_store


@on_every_store(globals())
class TestCommandLine(OnEveryStore):
    def setUp(self) -> None:
        super().setUp()
        self.url = self.place()
        self.config = self.folder / "config"
        self.work = self.folder / "work"
        for folder in (self.config, self.work):
            folder.mkdir()
        self.configure({"store": self.url})

    def configure(self, block: dict[str, Any]) -> None:
        values = {
            "scheduler": {"type": "default", "config_root": str(self.config)},
            "provider": {
                "providers": [
                    {
                        "name": "aws_test",
                        "type": "aws",
                        "enabled": True,
                        "default": True,
                        "config": {"region": "eu-west-2"},
                    }
                ]
            },
            "storage": {"strategy": "repo_engine", "repo_engine_strategy": block},
        }
        (self.config / "config.json").write_text(json.dumps(values))

    def orb(self, line: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "ORB_CONFIG_DIR": str(self.config),
            "ORB_WORK_DIR": str(self.work),
            "ORB_LOG_DIR": str(self.folder / "logs"),
            "ORB_LOG_CONSOLE_ENABLED": "false",
            "AWS_DEFAULT_REGION": "eu-west-2",
        }
        program = Path(sys.executable).with_name("orb")
        return subprocess.run(
            [program, *line.split()],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def runs(self, line: str) -> str:
        done = self.orb(line)
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
        self.configure({"store": self.url, "cas": "never"})
        done = self.orb("machines list")
        self.assertNotEqual(done.returncode, 0)
        # Where the broker says it: its console is switched off here.
        log = (self.folder / "logs" / "orb.log").read_text()
        self.assertIn('\\"cas\\" is \\"orb\\" or \\"off\\"', log)


if __name__ == "__main__":
    unittest.main()
