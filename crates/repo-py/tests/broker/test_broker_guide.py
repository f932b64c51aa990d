"""The guide "From the Open Resource Broker": each command and each block of it is run, on
state that the broker itself has written."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import state
from brokers import Broker, OrbDynamo, OrbJson, OrbSql, Ours
from installed import Installed
from places import Places, chosen

PAGE = Path(__file__).parents[4] / "docs" / "guide" / "open-resource-broker.md"

#: Where the broker is on the page.
ROOT = "/srv/orb"

HEADING = re.compile(r"^#{2,3} (.+)$")
FENCE = re.compile(r"^```(\w*)$")


def blocks() -> dict[str, list[tuple[str, str]]]:
    """The blocks below each heading: their language and text."""
    found: dict[str, list[tuple[str, str]]] = {}
    heading, language, lines = "", None, []
    for line in PAGE.read_text().splitlines():
        fence, begins = FENCE.match(line), HEADING.match(line)
        if fence is not None and language is None:
            language, lines = fence[1], []
        elif fence is not None:
            found.setdefault(heading, []).append((str(language), "\n".join(lines)))
            language = None
        elif language is not None:
            lines.append(line)
        elif begins is not None:
            heading = begins[1]
    return found


class TestGuide(Places):
    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        # The broker's SQL changes it.
        self.addCleanup(os.chdir, os.getcwd())
        self.blocks = blocks()
        self.installed = Installed(self.folder)
        self.ours = Ours(f"sqlite:{self.installed.work}/state.db")
        self.addCleanup(self.ours.forget)

    def section(self, heading: str, kinds: list[str]) -> list[str]:
        """The blocks below a heading, which have to be of these languages; none is to be
        run twice."""
        found = self.blocks.pop(heading)
        self.assertEqual([language for language, _ in found], kinds, heading)
        return [text.replace(ROOT, str(self.folder)) for _, text in found]

    def shell(self, text: str) -> str:
        """Runs lines in a shell, and gives what they print."""
        environment = self.installed.environment()
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        # It is installed already: with that pip has to be content.
        environment["PIP_NO_INDEX"] = "1"
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def python(self, text: str) -> dict[str, Any]:
        """Runs a block, and gives the report that it is about."""
        scope: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, PAGE.name, "exec"), scope)  # noqa: S102
        report: dict[str, Any] = scope["report"]
        return report

    def switched(self, block: str) -> None:
        """Puts a block of the page into the configuration."""
        self.installed.configure(json.loads(block)["storage"])

    def arrived(self, ids: state.Ids) -> None:
        """The broker finds everything through the plugin."""
        for collection, expected in ids.items():
            self.assertEqual(set(state.kept(self.ours, collection)), expected)
        self.ours.forget()

    def migrated(self, heading: str, theirs: Broker) -> state.Ids:
        """Fills the broker's own storage and runs the migration below a heading."""
        ids = state.fill(theirs)
        theirs.forget()
        (block,) = self.section(heading, ["python"])
        report = self.python(block)
        self.assertEqual(report["totals"]["applied"], sum(map(len, ids.values())))
        self.arrived(ids)
        return ids

    def listed(self, ids: state.Ids, text: str) -> None:
        """The broker's own commands list what is there."""
        for id in ids["requests"] | ids["machines"]:
            self.assertIn(id, text)

    def test_json_files_there_and_back(self) -> None:
        self.installed.configure({"strategy": "json"})
        (install,) = self.section("Install", ["sh"])
        self.assertIn("repo_engine", self.shell(install))
        ids = self.migrated("JSON files", OrbJson(self.installed.work / "data"))

        block, ask, compare = self.section("Switch the configuration", ["json", "sh", "python"])
        self.switched(block)
        self.listed(ids, self.shell(ask))
        report = self.python(compare)
        self.assertEqual(report["totals"]["read"], sum(map(len, ids.values())))

        back, block = self.section("Go back", ["python", "json"])
        self.python(back)
        self.switched(block)
        self.listed(ids, self.shell("orb requests list\norb machines list"))
        again = OrbJson(self.folder / "back")
        for collection in ids:
            self.assertEqual(state.kept(again, collection), state.kept(self.ours, collection))
        # Every block has been run, but those of other kinds of state.
        self.assertEqual(set(self.blocks), {"SQL tables", "DynamoDB tables"})

    def test_sql_tables(self) -> None:
        ids = self.migrated("SQL tables", OrbSql(self.folder))
        (block, *_) = self.section("Switch the configuration", ["json", "sh", "python"])
        self.switched(block)
        self.listed(ids, self.shell("orb requests list\norb machines list"))

    # Without a server there is nothing that it could read; scripts/wheel orb starts one.
    if "dynamodb" in chosen():

        def test_dynamodb_tables(self) -> None:
            ids = self.migrated("DynamoDB tables", OrbDynamo("hostfactory"))
            (block, *_) = self.section("Switch the configuration", ["json", "sh", "python"])
            self.switched(block)
            self.listed(ids, self.shell("orb requests list\norb machines list"))


if __name__ == "__main__":
    unittest.main()
