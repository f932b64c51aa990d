"""Medians of what scripts/service-load measured: `python figures.py FILE WANTED`.

Each line of FILE is a server, what was asked, and the JSON that datapoints.lua printed. Ends with
an error when ours is not WANTED times as fast on each kind of request.
"""

import json
import statistics
import sys

found: dict[tuple[str, str], list[dict]] = {}
for line in open(sys.argv[1], encoding="utf-8"):
    server, what, text = line.rstrip("\n").split("\t")
    found.setdefault((what, server), []).append(json.loads(text))
print(f"{'asked':8} {'server':8} {'runs':>4} {'requests/s: median (range)':>32} {'p99 ms: median (range)':>32}")
medians = {}
for (what, server), runs in sorted(found.items()):
    def of(name: str, shown: str) -> str:
        values = sorted(run[name] for run in runs)
        return f"{statistics.median(values):{shown}} ({values[0]:{shown}} to {values[-1]:{shown}})"

    medians[what, server] = statistics.median(run["per_second"] for run in runs)
    print(f"{what:8} {server:8} {len(runs):4} {of('per_second', '.0f'):>32} {of('p99_ms', '.2f'):>32}")
    if bad := sum(run["bad"] for run in runs):
        raise SystemExit(f"{what} {server}: {bad} requests failed")
low = []
for what in ("post", "get"):
    if not medians[what, "madsci"]:
        raise SystemExit(f"{what}: MADSci's server answered nothing; was the machine busy?")
    ratio = medians[what, "ours"] / medians[what, "madsci"]
    print(f"{what}: {ratio:.1f} times as many requests a second")
    if ratio < float(sys.argv[2]):
        low.append(what)
if low:
    raise SystemExit(f"wanted: {sys.argv[2]} times as many; not so: {', '.join(low)}")
