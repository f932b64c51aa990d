"""Saves and finds through Python: the broker's own JSON and SQL beside ours, in one run; and
what importing costs.

Each storage is filled with 100 and with 10,000 machines, and every call is made several
times; the figure is the median. A save of ours has returned only when it is on disk.
Fails when a save of ours in JSON files at 10,000 entities is not 200 times as fast as
the broker's, or when importing takes 100 ms.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import places
from brokers import Broker, OrbJson, OrbSql, Ours, machine

SIZES = (100, 10_000)
#: How much faster a save has to be.
PROMISED = 200
#: How long importing may take, in milliseconds.
IMPORTED = 100
#: Which of ours stands beside which of the broker's.
PAIRS = (("broker json", "ours json"), ("broker sql", "ours sqlite"))
#: A call is repeated at most so often, and at most so long.
MOST, SECONDS = 200, 6.0
#: How often a new interpreter imports.
IMPORTS = 20
STATUSES = ("running", "stopped", "pending", "terminated")


def filled(broker: Broker, size: int) -> Any:
    """A strategy with so many machines of about 600 bytes."""
    machines = broker.strategy("machines")
    # The broker's JSON rewrites its file at each batch: all at once it does so once.
    batch = size if isinstance(broker, OrbJson) else 100
    for start in range(0, size, batch):
        numbers = range(start, min(start + batch, size))
        machines.save_batch({id_of(n): sized(n) for n in numbers})
    return machines


def id_of(number: int) -> str:
    return f"i-{number:08x}"


def sized(number: int, version: int = 0) -> dict[str, Any]:
    status = STATUSES[number % len(STATUSES)]
    return machine(id_of(number), status=status, version=version, metadata={"note": "x" * 150})


def timed(call: Callable[[int], Any]) -> float:
    """The median of one call, in milliseconds."""
    took, end = [], time.perf_counter() + SECONDS
    for attempt in range(MOST):
        start = time.perf_counter()
        call(attempt)
        took.append(time.perf_counter() - start)
        if attempt >= 4 and time.perf_counter() > end:
            break
    return statistics.median(took) * 1000


def measured(broker: Broker, size: int) -> dict[str, float]:
    """Each call's time; without those that the broker's own storage refuses."""
    machines = filled(broker, size)
    found: dict[str, float] = {}
    step = 7919

    def measure(name: str, call: Callable[[int], Any]) -> None:
        try:
            found[name] = timed(call)
        except Exception as error:
            if isinstance(broker, Ours):
                raise
            reason = str(error).partition("\n")[0][:100]
            print(f"{size:>6}  {type(broker).__name__} refuses {name}: {reason}", flush=True)

    def save(attempt: int) -> None:
        number = (attempt * step) % size
        machines.save(id_of(number), sized(number, version=attempt + 1))

    measure("save", save)
    measure("find_by_id", lambda attempt: machines.find_by_id(id_of(attempt * step % size)))

    def criteria(attempt: int) -> None:
        machines.find_by_criteria({"status": STATUSES[attempt % len(STATUSES)]})

    measure("find_by_criteria", criteria)
    if hasattr(machines, "count_by_column"):
        measure("count_by_column", lambda _: machines.count_by_column("status"))
    batches = iter(range(1_000_000))

    def batch(_: int) -> None:
        first = next(batches) * 50
        new = {f"n-{first + n}": machine(f"n-{first + n}") for n in range(50)}
        machines.save_batch(new)

    measure("save_batch of 50", batch)
    return found


def imported() -> float:
    """What importing takes in a new interpreter: the median, in milliseconds."""
    code = (
        "import time; start = time.perf_counter(); import repo_engine; "
        "print(time.perf_counter() - start)"
    )
    words = [sys.executable, "-c", code]
    took = [float(subprocess.check_output(words, text=True)) for _ in range(IMPORTS)]
    return statistics.median(took) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    sizes = parser.parse_args().sizes
    logging.disable(logging.CRITICAL)
    storages: list[tuple[str, Callable[[Path], Broker]]] = [
        ("broker json", OrbJson),
        ("broker sql", OrbSql),
        *(
            (f"ours {kind}", lambda folder, kind=kind: Ours(places.url(kind, folder)))
            for kind in places.chosen()
        ),
    ]
    figures: dict[tuple[int, str], dict[str, float]] = {}
    home = os.getcwd()
    for size in sizes:
        for name, make in storages:
            folder = Path(tempfile.mkdtemp(prefix="bench-", dir=home))
            broker = make(folder)
            figures[size, name] = measured(broker, size)
            broker.forget()
            os.chdir(home)
            shutil.rmtree(folder, ignore_errors=True)
            line = "  ".join(f"{call} {ms:.3f} ms" for call, ms in figures[size, name].items())
            print(f"{size:>6}  {name:<16} {line}", flush=True)
    compared(figures)
    kept = [saves_fast_enough(figures, max(sizes)), imports_fast_enough()]
    return 0 if all(kept) else 1


def compared(figures: dict[tuple[int, str], dict[str, float]]) -> None:
    """Prints each figure of the broker beside ours, and how many times as fast ours is."""
    print(f"\n{'':<42}{'broker':>12}{'ours':>12}{'as fast':>12}")
    for size in sorted({size for size, _ in figures}):
        for theirs, ours in PAIRS:
            if (size, ours) not in figures:
                continue
            for call, ms in figures[size, ours].items():
                before = figures[size, theirs].get(call)
                if before is None:
                    continue
                name = f"{ours.removeprefix('ours ')}, {size}: {call}"
                print(f"{name:<42}{before:>9.3f} ms{ms:>9.3f} ms{before / ms:>10.1f} ×")
    print()


def saves_fast_enough(figures: dict[tuple[int, str], dict[str, float]], size: int) -> bool:
    theirs, ours = PAIRS[0]
    if (size, ours) not in figures:
        return True
    ratio = figures[size, theirs]["save"] / figures[size, ours]["save"]
    print(f"a save in JSON files at {size}: {ratio:.0f} times as fast as the broker's")
    if size < 10_000 or ratio >= PROMISED:
        return True
    print(f"that is less than {PROMISED}", file=sys.stderr)
    return False


def imports_fast_enough() -> bool:
    took = imported()
    print(f"import repo_engine: {took:.1f} ms")
    if took < IMPORTED:
        return True
    print(f"that is not less than {IMPORTED} ms", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
