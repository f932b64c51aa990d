"""The block ``storage.repo_engine_strategy`` of the broker's configuration.

It names the store in one of three ways:

    {"store": "sqlite:state.db"}              a URL
    {"config": "repository.json"}             a configuration file of the engine
    {"strategy": "json", "json_strategy": {}} the engine's section `storage` itself

and may hold, beside that,

    "cas": "orb" | "off"         whether the broker's own versions are compared when an
                                 entity is saved that was not read before; "orb"
    "strong_queries": true       whether queries see every acknowledged write; true
    "schemas": "schemas"         a folder of *.schema.json files

Paths that are not absolute are below the broker's work directory.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Mapping, Union

from orb.domain.base.exceptions import ConfigurationError

#: Where the block stands.
BLOCK = "storage.repo_engine_strategy"
_NAME = "repo_engine_strategy"

#: What names a store; a block has exactly one of them.
_WAYS = ("store", "config", "strategy")
_OPTIONS = ("cas", "strong_queries", "schemas")


@dataclass(frozen=True)
class Settings:
    """What a block says, with every path absolute."""

    #: As ``Store.open`` takes it: a URL, or a configuration as values.
    place: Union[str, dict[str, Any]]
    #: The folder of the collections' schemas; None: those of the engine.
    schemas: Union[str, None] = None
    #: Whether the broker's own versions are compared.
    compare_versions: bool = True
    #: Whether queries see every acknowledged write.
    strong_queries: bool = True

    @cached_property
    def fingerprint(self) -> str:
        """Tells configurations apart; nothing can be read from it."""
        text = json.dumps([self.place, self.schemas], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def settings_of(config: Any) -> Settings:
    """The settings in what the broker hands to a factory: its configuration manager, or
    values, which may lack the block."""
    block = _find(config)
    if block is None:
        raise _refused("there is no block for the store", hint='{"store": "sqlite:state.db"}')
    # A unit of work is made for every operation.
    return _read(json.dumps(block, sort_keys=True, default=str), work_dir())


@lru_cache(maxsize=16)
def _read(block: str, base: str) -> Settings:
    return read(json.loads(block), Path(base))


def read(block: Any, base: Path) -> Settings:
    """Reads a block; paths that are not absolute are below ``base``."""
    if not isinstance(block, Mapping):
        raise _refused("the block is not an object")
    ways = [way for way in _WAYS if way in block]
    if len(ways) != 1:
        raise _refused("the block has to name the store by exactly one of", " ".join(_WAYS))
    way = ways[0]
    if way != "strategy":
        unknown = sorted(set(block) - {way, *_OPTIONS})
        if unknown:
            raise _refused("unknown keys", ", ".join(unknown))
    compare = block.get("cas", "orb")
    if compare not in ("orb", "off"):
        raise _refused('"cas" is "orb" or "off", not', repr(compare))
    strong = block.get("strong_queries", True)
    if not isinstance(strong, bool):
        raise _refused('"strong_queries" is true or false, not', repr(strong))
    schemas = block.get("schemas")
    if schemas is not None and not isinstance(schemas, str):
        raise _refused('"schemas" is a folder, not', repr(schemas))
    return Settings(
        place=_place(way, block, base),
        schemas=None if schemas is None else _below(base, schemas),
        compare_versions=compare == "orb",
        strong_queries=strong,
    )


def work_dir() -> str:
    """The broker's work directory."""
    named = os.environ.get("ORB_WORK_DIR")
    if named:
        return os.path.abspath(named)
    from orb.config.platform_dirs import get_work_location

    return os.path.abspath(get_work_location())


def _place(way: str, block: Mapping[str, Any], base: Path) -> Union[str, dict[str, Any]]:
    if way == "store":
        return _url(block["store"], base)
    if way == "config":
        return {"storage": _absolute(_storage_in(_below(base, block["config"])), base)}
    own = {key: value for key, value in block.items() if key not in _OPTIONS}
    return {"storage": _absolute(own, base)}


def _url(url: Any, base: Path) -> str:
    if not isinstance(url, str):
        raise _refused('"store" is a URL, not', type(url).__name__)
    scheme, colon, path = url.partition(":")
    if colon and scheme in ("json", "sqlite") and path:
        return f"{scheme}:{_below(base, path)}"
    if scheme == "object":
        return f"object:{_location(path, base)}"
    return url


def _location(location: Any, base: Path) -> Any:
    """A place of objects; one that is a folder, below ``base``."""
    if not isinstance(location, str) or not location.startswith("file:"):
        return location
    path = location[len("file:") :]
    return location if not path or path.startswith("//") else f"file:{_below(base, path)}"


def _storage_in(file: str) -> dict[str, Any]:
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused("the configuration file cannot be read", f"{file}: {error}") from error
    storage = values.get("storage") if isinstance(values, dict) else None
    if not isinstance(storage, dict):
        raise _refused("the configuration file has no section `storage`", file)
    return storage


def _absolute(storage: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The engine's section `storage` with absolute paths; the engine's own defaults are
    below the working directory of the process."""
    found = {key: value for key, value in storage.items()}
    strategy = found.get("strategy", "json")
    if strategy == "json":
        files = dict(_section(found, "json_strategy"))
        files["base_path"] = _below(base, files.get("base_path", "data"))
        if isinstance(files.get("backup_location"), str):
            files["backup_location"] = _below(base, files["backup_location"])
        found["json_strategy"] = files
    elif strategy in ("sql", "sqlite", "postgresql"):
        database = dict(_section(found, "sql_strategy"))
        kind = database.get("type", "sqlite") if strategy == "sql" else strategy
        if kind == "sqlite":
            database["name"] = _below(base, database.get("name", "request_database.db"))
        if database.get("sslrootcert"):
            database["sslrootcert"] = _below(base, database["sslrootcert"])
        found["sql_strategy"] = database
    elif strategy == "object":
        objects = dict(_section(found, "object_strategy"))
        objects["location"] = _location(objects.get("location"), base)
        found["object_strategy"] = objects
    if isinstance(found.get("schemas"), str):
        found["schemas"] = _below(base, found["schemas"])
    return found


def _section(storage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = storage.get(key, {})
    if not isinstance(section, Mapping):
        raise _refused("not an object", key)
    return section


def _below(base: Path, path: Any) -> str:
    if not isinstance(path, str) or not path:
        raise _refused("a path is text, not", repr(path))
    # What the environment fills is taken as it is.
    return path if path.startswith("${") else str(base / path)


def _find(config: Any) -> Any:
    """The block in what was given, or else in the broker's own configuration."""
    block = _in_values(config) if isinstance(config, Mapping) else _in_manager(config)
    if block is not None:
        return block
    # The typed configuration drops blocks that it does not know.
    return _in_manager(_manager())


def _in_values(values: Mapping[str, Any]) -> Any:
    storage = values.get("storage")
    if storage is None and any(way in values for way in ("store", "config")):
        return values
    if isinstance(storage, Mapping) and _NAME in storage:
        return storage[_NAME]
    return values.get(_NAME)


def _in_manager(manager: Any) -> Any:
    get = getattr(manager, "get", None)
    return get(BLOCK) if callable(get) else None


def _manager() -> Any:
    """The broker's configuration manager: that of its container once that is made."""
    from orb.config.managers.configuration_manager import ConfigurationManager
    from orb.infrastructure.di.container import get_container, is_container_ready

    if is_container_ready():
        found = get_container().get_optional(ConfigurationManager)
        if found is not None:
            return found
    return ConfigurationManager()


def _refused(why: str, what: str = "", *, hint: str = "") -> ConfigurationError:
    text = f"{BLOCK}: {why}"
    if what:
        text += f" {what}"
    return ConfigurationError(f"{text}; for example {hint}" if hint else text)
