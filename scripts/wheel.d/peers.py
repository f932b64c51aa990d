"""What storage of the broker does: ours on every store, and its own JSON and SQL.

A line for each behaviour, a column for each storage: "yes", or "no" with what was seen
below the table. ``peers.py NAME…`` looks at some behaviours only.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Callable

import behaviours
import behaviours_of_tasks  # noqa: F401 (adds its own)
import places
from brokers import Broker, OrbJson, OrbSql, Ours


def storages() -> list[tuple[str, Callable[[Path], Broker]]]:
    ours = [
        (f"ours: {kind}", lambda folder, kind=kind: Ours(places.url(kind, folder)))
        for kind in places.chosen()
    ]
    return [*ours, ("broker: json", OrbJson), ("broker: sql", OrbSql)]


def look(behaviour: behaviours.Behaviour, make: Callable[[Path], Broker]) -> str:
    """What was seen where it does not hold; nothing where it does."""
    home = os.getcwd()
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        broker = make(folder)
        try:
            behaviour(broker)
            return ""
        finally:
            broker.forget()
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0][:200]
    finally:
        os.chdir(home)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    logging.disable(logging.CRITICAL)
    chosen = [one for one in behaviours.ALL if not sys.argv[1:] or one.__name__ in sys.argv[1:]]
    columns = storages()
    width = max(len(one.__name__) for one in chosen)
    print(" " * width, *(name for name, _ in columns), sep="  ")
    seen: list[str] = []
    ours_fail = 0
    for behaviour in chosen:
        cells = []
        for name, make in columns:
            said = look(behaviour, make)
            cells.append(("no" if said else "yes").ljust(len(name)))
            if said:
                seen.append(f"{name}, {behaviour.__name__}: {said}")
                ours_fail += name.startswith("ours")
        words = behaviour.__name__.replace("_", " ").ljust(width)
        print(words, *cells, sep="  ", flush=True)
    print()
    print(*seen, sep="\n")
    return 1 if ours_fail else 0


if __name__ == "__main__":
    sys.exit(main())
