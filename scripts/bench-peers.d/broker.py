"""Times the storage strategies of orb-py: one JSON object on standard output.

Usage: broker.py FOLDER. Each figure is the median of several runs, in seconds.
"""

import json
import logging
import statistics
import sys
import time
from pathlib import Path

logging.disable(logging.CRITICAL)

from orb.infrastructure.storage.json.strategy import JSONStorageStrategy  # noqa: E402
from orb.infrastructure.storage.sql.strategy import SQLStorageStrategy  # noqa: E402

COLUMNS = {
    "id": "TEXT PRIMARY KEY",
    "status": "TEXT",
    "template_id": "TEXT",
    "payload": "TEXT",
}


def entity(n):
    """About 600 bytes, as the engine's own benchmark has them."""
    return {
        "id": f"m-{n:07d}",
        "status": "running" if n % 3 else "stopped",
        "template_id": f"t-{n % 20}",
        "payload": ("a note that is as long as notes are, %08d; " % (n * 7919)) * 12,
    }


def entities(count):
    return {f"m-{n:07d}": entity(n) for n in range(count)}


def median_of(times, work):
    taken = []
    for at in range(times):
        began = time.perf_counter()
        work(at)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure(store, count, times):
    figures = {}
    began = time.perf_counter()
    store.save_batch(entities(count))
    figures["bulk"] = time.perf_counter() - began
    figures["save"] = median_of(times, lambda at: store.save(f"m-{at:07d}", entity(at)))
    figures["find"] = median_of(times, lambda at: store.find_by_id(f"m-{at:07d}"))

    def save_and_find(at):
        store.save(f"m-{at:07d}", entity(at))
        store.find_by_id(f"m-{at:07d}")

    figures["save_then_find"] = median_of(times, save_and_find)
    figures["criteria"] = median_of(3, lambda _: store.find_by_criteria({"template_id": "t-7"}))
    return figures


def sql(folder, name):
    config = {"type": "sqlite", "name": str(folder / name)}
    return SQLStorageStrategy(config, "bench_machines", COLUMNS)


def copy(folder, count):
    """The copy that an operator writes by hand, the file as it is to a table."""
    file = str(folder / "copied.json")
    JSONStorageStrategy(file, entity_type="machines").save_batch(entities(count))

    def once(at):
        everything = JSONStorageStrategy(file, entity_type="machines").find_all()
        targets[at].save_batch(everything)

    targets = [sql(folder, f"copied-{at}.db") for at in range(3)]
    return median_of(3, once)


def main():
    folder = Path(sys.argv[1])
    figures = {"json": {}, "sqlite": {}}
    for count in (100, 1_000, 10_000):
        store = JSONStorageStrategy(str(folder / f"{count}.json"), entity_type="machines")
        figures["json"][str(count)] = measure(store, count, 5 if count > 1_000 else 15)
        figures["sqlite"][str(count)] = measure(sql(folder, f"{count}.db"), count, 15)
    figures["copy_10000"] = copy(folder, 10_000)
    json.dump(figures, sys.stdout)


main()
