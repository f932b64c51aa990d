"""Storage of the broker to be looked at: ours on any store, and its own two.

Nothing here knows whether a behaviour holds: that is for ``behaviours``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

#: What each collection's documents have at least, as the broker writes them.
ID_FIELDS = {"machines": "machine_id", "requests": "request_id", "templates": "template_id"}


class Broker:
    """One way to keep the broker's state, in a place of its own."""

    #: For people.
    name = ""
    #: Files that hold the state, where there are any; set once something is stored.
    has_files = False

    def unit_of_work(self) -> Any:
        """A unit of work, as the broker's factory makes one for each operation."""
        raise NotImplementedError

    def strategy(self, collection: str) -> Any:
        """A strategy for one collection, outside of any unit of work."""
        return getattr(self.unit_of_work(), collection).storage_strategy

    def injected(self, maker: str) -> Any:
        """The strategy that the broker's container makes for a repository; ``maker`` is
        the method of its factory."""
        raise NotImplementedError

    def spec(self) -> str:
        """What ``of_spec`` makes the same one of, in another process."""
        raise NotImplementedError

    def data_files(self) -> list[Path]:
        """The files that hold the state."""
        return []

    def forget(self) -> None:
        """Drops what this process has open, as a restart would."""


class Ours(Broker):
    """The plugin on one of the engine's stores."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"repo-engine {url.partition(':')[0]}"
        self.has_files = url.startswith(("json:", "sqlite:"))
        self._config = {"storage": {"repo_engine_strategy": {"store": url}}}

    def unit_of_work(self) -> Any:
        from repo_engine.orb.registration import create_unit_of_work

        return create_unit_of_work(self._config)

    def injected(self, maker: str) -> Any:
        from repo_engine.orb import registration

        return _called_by(maker, lambda: registration.create_strategy(self._config))

    def spec(self) -> str:
        return json.dumps({"ours": self.url})

    def data_files(self) -> list[Path]:
        path = Path(self.url.partition(":")[2])
        if self.url.startswith("sqlite:"):
            return [path]
        return [file for file in path.iterdir() if file.suffix == ".json"]

    def forget(self) -> None:
        from repo_engine.orb.handles import close_all

        close_all()


class OrbJson(Broker):
    """The broker's own JSON strategy, as its factory makes it for one file."""

    name = "orb json"
    has_files = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def unit_of_work(self) -> Any:
        from orb.infrastructure.storage.json.registration import create_json_unit_of_work

        file = "request_database.json"
        return create_json_unit_of_work(
            {
                "data_dir": str(self.folder),
                "machine_file": file,
                "request_file": file,
                "template_file": file,
            }
        )

    def injected(self, maker: str) -> Any:
        from orb.infrastructure.storage.json.registration import create_json_strategy

        # A dict has no attributes, so the default below the working directory is used.
        os.chdir(self.folder)
        return create_json_strategy({})

    def spec(self) -> str:
        return json.dumps({"orb_json": str(self.folder)})

    def data_files(self) -> list[Path]:
        return [self.folder / "request_database.json"]


class OrbSql(Broker):
    """The broker's own SQL strategy on SQLite. It opens ``database.db`` in the working
    directory, whatever it is told."""

    name = "orb sql"
    has_files = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def unit_of_work(self) -> Any:
        from orb.infrastructure.storage.sql.registration import create_sql_unit_of_work

        os.chdir(self.folder)
        return create_sql_unit_of_work({"connection_string": f"sqlite:///{self.folder}/told.db"})

    def injected(self, maker: str) -> Any:
        from orb.infrastructure.storage.sql.registration import create_sql_strategy

        os.chdir(self.folder)
        return create_sql_strategy({})

    def spec(self) -> str:
        return json.dumps({"orb_sql": str(self.folder)})

    def data_files(self) -> list[Path]:
        return [self.folder / "database.db"]


class OrbDynamo(Broker):
    """The broker's own DynamoDB strategy, with the server that ``places`` has chosen."""

    name = "orb dynamodb"

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def unit_of_work(self) -> Any:
        from orb.providers.aws.storage.registration import create_dynamodb_unit_of_work

        region = os.environ["AWS_REGION"]
        return create_dynamodb_unit_of_work({"region": region, "table_prefix": self.prefix})


def of_spec(text: str) -> Broker:
    """The broker of ``Broker.spec``."""
    ((kind, where),) = json.loads(text).items()
    if kind == "ours":
        return Ours(where)
    return {"orb_json": OrbJson, "orb_sql": OrbSql}[kind](Path(where))


def _called_by(name: str, make: Any) -> Any:
    """Calls ``make`` from a function of that name, as the broker's factory does."""
    scope: dict[str, Any] = {"make": make}
    exec(f"def {name}():\n    return make()", scope)  # noqa: S102
    return scope[name]()


def machine(id: str, **fields: Any) -> dict[str, Any]:
    """A machine, with the fields that the broker always writes."""
    return {
        "machine_id": id,
        "name": id,
        "request_id": "req-1",
        "template_id": "small",
        "status": "running",
        "provider_type": "aws",
        "provider_name": "default",
        "provider_api": "RunInstances",
        "instance_type": "t3.medium",
        "image_id": "ami-1",
        "tags": {"Team": "risk"},
        "version": 0,
        "created_at": "2026-11-28T17:08:40.035855Z",
        **fields,
    }


def request(id: str, **fields: Any) -> dict[str, Any]:
    """A request, likewise."""
    return {
        "request_id": id,
        "template_id": "small",
        "requested_count": 2,
        "request_type": "acquire",
        "status": "pending",
        "machine_ids": [],
        "metadata": {},
        "version": 0,
        "created_at": "2026-11-28T17:08:40.035855+00:00",
        **fields,
    }


def template(id: str, **fields: Any) -> dict[str, Any]:
    """A template, likewise."""
    return {"template_id": id, "name": id, "max_instances": 3, "is_active": True, **fields}


def environment() -> dict[str, str]:
    """The environment of another process that uses a broker."""
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "ORB_LOG_CONSOLE_ENABLED": "false"}
