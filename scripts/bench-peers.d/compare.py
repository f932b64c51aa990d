"""Shows the figures of both sides, and whether the promised ratios hold.

Usage: compare.py BROKER.json ENGINE.json TIMES ROWS. Ends with 1 when a
promise is not kept.
"""

import json
import statistics
import sys

# What is promised: at least so many times as fast.
PROMISED = {("json", "10000", "save"): 500, ("copy_10000",): 10}
# Of what is timed from SQLite to PostgreSQL.
PROMISED_FASTER = "ours_verified"
# A save at 100,000 entities costs at most this many times one at 100.
FLAT = 1.2

kept = True


def seconds(value):
    if value < 1e-3:
        return f"{value * 1e6:.1f} µs"
    return f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"


def row(name, theirs, ours, promised=None):
    global kept
    ratio = theirs / ours
    words = ""
    if promised is not None:
        holds = ratio >= promised
        kept &= holds
        words = f"at least {promised} ×: {'yes' if holds else 'NO'}"
    print(f"{name:<44}{seconds(theirs):>12}{seconds(ours):>12}{ratio:>10.1f} ×  {words}")


def main():
    global kept
    with open(sys.argv[1], encoding="utf-8") as file:
        theirs = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        ours = json.load(file)
    print(f"{'':<44}{'orb-py':>12}{'engine':>12}{'as fast':>12}")
    for store in ("json", "sqlite"):
        for count, figures in theirs[store].items():
            for what, time in figures.items():
                name = f"{store}, {int(count):,} entities: {what}"
                promised = PROMISED.get((store, count, what))
                row(name, time, ours[store][count][what], promised)
    name = "json → sqlite, 10,000 (ours: backup, verified)"
    row(name, theirs["copy_10000"], ours["copy_10000"], PROMISED[("copy_10000",)])
    for what, name in (
        ("driver_10000", "  the driver alone, into our table"),
        ("driver_bare_10000", "  the driver alone, no checks, no index"),
    ):
        row(name, theirs["copy_10000"], ours[what])
    few, many = ours["json"]["100"]["save"], ours["json"]["100000"]["save"]
    holds = many <= few * FLAT
    kept &= holds
    print(
        f"{'json, a save at 100 and at 100,000':<44}{seconds(few):>12}{seconds(many):>12}"
        f"{many / few:>10.2f} ×  at most {FLAT} ×: {'yes' if holds else 'NO'}"
    )
    times = {}
    with open(sys.argv[3], encoding="utf-8") as file:
        for name, micros in map(str.split, file):
            times.setdefault(name, []).append(int(micros) / 1e6)
    print(f"\n{int(sys.argv[4]):,} rows from SQLite to PostgreSQL, medians")
    loader = statistics.median(times["pgloader"])
    for name, taken in times.items():
        words = f"{statistics.median(taken) / loader:.2f} of pgloader"
        if name == PROMISED_FASTER:
            holds = statistics.median(taken) < loader
            kept &= holds
            words += f", less than 1: {'yes' if holds else 'NO'}"
        spread = f"{seconds(min(taken))} – {seconds(max(taken))}"
        print(f"{name:<44}{seconds(statistics.median(taken)):>12}  {spread:<20}  {words}")
    sys.exit(0 if kept else 1)


main()
