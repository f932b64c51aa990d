"""The stores that the tests run on, each time a new and empty one.

``REPO_TEST_STORES`` names some of them (json, sqlite, object, postgresql, dynamodb); without
it all are tested, and a server that is missing fails the test. The servers are those of
``scripts/services``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any, Callable

ALL = ("json", "sqlite", "object", "postgresql", "dynamodb")


def chosen() -> list[str]:
    """The stores to be tested."""
    named = os.environ.get("REPO_TEST_STORES")
    names = ALL if named is None else tuple(named.replace(",", " ").split())
    unknown = set(names) - set(ALL)
    if unknown:
        raise SystemExit(f"REPO_TEST_STORES: unknown: {', '.join(sorted(unknown))}")
    return list(names)


def prepare_environment() -> None:
    """Nothing of this machine's user counts, and DynamoDB is the local one."""
    os.environ.update(
        AWS_ACCESS_KEY_ID=f"py{secrets.token_hex(6)}",
        AWS_SECRET_ACCESS_KEY="not-a-secret",
        AWS_REGION="eu-central-1",
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
    )
    for name in list(os.environ):
        if name.startswith("REPO_STORAGE__"):
            del os.environ[name]
    if "REPO_TEST_DYNAMODB_URL" in os.environ:
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = os.environ["REPO_TEST_DYNAMODB_URL"]


prepare_environment()


def url(kind: str, folder: Path) -> str:
    """The URL of a new store."""
    name = f"py_{secrets.token_hex(6)}"
    if kind == "json":
        return f"json:{folder / name}"
    if kind == "sqlite":
        return f"sqlite:{folder / name}.db"
    if kind == "object":
        return f"object:file:{folder / name}"
    if kind == "postgresql":
        return f"{_server('REPO_TEST_POSTGRES_URL')}?schema={name}"
    _server("REPO_TEST_DYNAMODB_URL")
    return f"dynamodb:{name}"


def _server(variable: str) -> str:
    address = os.environ.get(variable)
    if not address:
        raise AssertionError(
            f"{variable} is not set: run the tests within `scripts/services run`, or name the "
            "stores without a server: REPO_TEST_STORES='json sqlite object'"
        )
    return address


class Places(unittest.TestCase):
    """A test with a folder of its own, which is removed."""

    folder: Path

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="repo-py-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def opened(self, place: Any, **options: Any) -> Any:
        """An open store that is closed at the end."""
        from repo_engine import Store

        store = Store.open(place, **options)
        self.addCleanup(store.close)
        return store


class OnEveryStore(Places):
    """A test that runs on every store; ``kind`` is its name."""

    kind = ""

    def place(self) -> str:
        """The URL of a new store."""
        return url(self.kind, self.folder)


def on_every_store(namespace: dict[str, Any]) -> Callable[[type], None]:
    """Makes a class of tests into one for each store, in a module's namespace. The class
    itself names no store, and is none of them."""

    def made(tests: type) -> None:
        for kind in chosen():
            name = f"{tests.__name__}_{kind}"
            namespace[name] = type(name, (tests,), {"kind": kind, "__module__": tests.__module__})

    return made
