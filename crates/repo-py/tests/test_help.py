"""What help() and type checkers show is what there is."""

from __future__ import annotations

import ast
import inspect
import unittest
from pathlib import Path
from typing import Any

import repo_engine
from repo_engine import _native, aio

STUB = Path(_native.__file__).with_name("_native.pyi")


def stubbed() -> dict[str, dict[str, Any]]:
    """The classes of the stub, each with its members."""
    classes: dict[str, dict[str, Any]] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.ClassDef):
            classes[node.name] = {
                member.name: member for member in node.body if isinstance(member, ast.FunctionDef)
            }
    return classes


def parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    named = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    if arguments.kwarg is not None:
        named.append(arguments.kwarg.arg)
    return [name for name in named if name != "self"]


class TestHelp(unittest.TestCase):
    def test_the_stub_has_every_member_with_its_parameters(self) -> None:
        for name, members in stubbed().items():
            cls = getattr(_native, name)
            public = {member for member in vars(cls) if not member.startswith("_")}
            self.assertEqual(public, {m for m in members if not m.startswith("_")}, name)
            for member in public:
                value = vars(cls)[member]
                if inspect.isdatadescriptor(value):
                    continue
                shown = inspect.signature(getattr(cls, member)).parameters
                found = [one for one in shown if one not in ("self", "$self")]
                self.assertEqual(found, parameters(members[member]), f"{name}.{member}")

    def test_everything_public_is_documented(self) -> None:
        for name in repo_engine.__all__:
            value = getattr(repo_engine, name)
            if name == "__version__":
                continue
            self.assertTrue(inspect.getdoc(value), name)
            if not inspect.isclass(value) or issubclass(value, tuple):
                continue
            for member, _ in inspect.getmembers(value):
                if not member.startswith("_") and member in vars(value):
                    self.assertTrue(inspect.getdoc(getattr(value, member)), f"{name}.{member}")

    def test_the_module_is_marked_as_typed(self) -> None:
        self.assertTrue(STUB.with_name("py.typed").exists())

    def test_the_face_for_asyncio_has_the_same_calls(self) -> None:
        different = {"collections", "location", "capabilities", "checkpoint", "run"}
        shared = {m for m in vars(_native.Store) if not m.startswith("_")} - different
        self.assertLessEqual(shared, set(dir(aio.AsyncStore)))


if __name__ == "__main__":
    unittest.main()
