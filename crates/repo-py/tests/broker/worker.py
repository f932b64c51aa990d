"""Another process that writes: worker.py SPEC FIRST COUNT. Prints each id once its save
has returned."""

from __future__ import annotations

import logging
import sys

from brokers import machine, of_spec


def main() -> None:
    logging.disable(logging.CRITICAL)
    spec, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    strategy = of_spec(spec).strategy("machines")
    for number in range(first, first + count):
        id = f"m-{number:06}"
        strategy.save(id, machine(id))
        sys.stdout.write(f"{id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
