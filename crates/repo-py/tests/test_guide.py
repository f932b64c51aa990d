"""The Python of the guide and of the README, run as it stands there."""

from __future__ import annotations

import contextlib
import io
import os
import re
import unittest
from pathlib import Path

from places import Places

ROOT = Path(__file__).parents[3]


class TestGuide(Places):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def run_blocks(self, page: Path) -> int:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        scope: dict[str, object] = {}
        with contextlib.redirect_stdout(io.StringIO()):
            for number, block in enumerate(blocks):
                exec(compile(block, f"{page.name}, block {number}", "exec"), scope)
        return len(blocks)

    def test_the_guide(self) -> None:
        self.assertEqual(self.run_blocks(ROOT / "docs" / "guide" / "python.md"), 4)

    def test_the_readme(self) -> None:
        self.assertEqual(self.run_blocks(ROOT / "crates" / "repo-py" / "README.md"), 1)


if __name__ == "__main__":
    unittest.main()
