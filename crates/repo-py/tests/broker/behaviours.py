"""What the broker's storage should do, each as a function that fails where it does not.

Each gets a broker in a new and empty place. They say nothing of how it is done, so that
the broker's own strategies can be looked at by the same words.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

from brokers import Broker, environment, machine, request, template

Behaviour = Callable[[Broker], None]

#: All of them, in the order in which they stand here.
ALL: list[Behaviour] = []


def behaviour(function: Behaviour) -> Behaviour:
    ALL.append(function)
    return function


class Enough(Exception):
    """Ends a unit of work."""


def same(found: Any, wanted: Any) -> None:
    """Fails with both where they differ."""
    assert found == wanted, f"{found!r} in place of {wanted!r}"


def raises(kinds: Any, call: Callable[[], Any]) -> Exception:
    """The error that a call raises, which has to be one of these."""
    try:
        answer = call()
    except kinds as error:
        return error
    raise AssertionError(f"no error: {answer!r}")


def concurrency_error() -> type[Exception]:
    from orb.domain.base.exceptions import ConcurrencyError

    return ConcurrencyError


def storage_error() -> type[Exception]:
    from orb.infrastructure.storage.exceptions import StorageError

    return StorageError


def strategy_of(unit: Any, collection: str) -> Any:
    return getattr(unit, collection).storage_strategy


# -- one strategy ----------------------------------------------------------------------


@behaviour
def what_is_saved_is_found(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save("m-1", machine("m-1", price=0.1, tags={"a": [1, None]}))
    found = broker.strategy("machines").find_by_id("m-1")
    same((found["machine_id"], found["tags"]), ("m-1", {"a": [1, None]}))
    same(machines.find_by_id("m-2"), None)
    machines.save("m-1", machine("m-1", status="stopped", version=1))
    same(broker.strategy("machines").find_by_id("m-1")["status"], "stopped")


@behaviour
def what_is_found_is_the_callers_own(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save("m-1", machine("m-1"))
    machines.find_by_id("m-1")["status"] = "changed by a caller"
    same(machines.find_by_id("m-1")["status"], "running")


@behaviour
def all_are_listed_and_counted(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save_batch({f"m-{n}": machine(f"m-{n}") for n in range(5)})
    same(sorted(machines.find_all()), [f"m-{n}" for n in range(5)])
    same(machines.count(), 5)
    same((machines.exists("m-3"), machines.exists("m-9")), (True, False))


@behaviour
def criteria_are_equality_among_and_patterns(broker: Broker) -> None:
    machines = broker.strategy("machines")
    for n, status in enumerate(["running", "stopped", "running", "pending"]):
        machines.save(f"m-{n}", machine(f"m-{n}", status=status))

    def ids(criteria: dict[str, Any]) -> list[str]:
        return sorted(found["machine_id"] for found in machines.find_by_criteria(criteria))

    same(ids({"status": "running"}), ["m-0", "m-2"])
    same(ids({"status": "running", "machine_id": "m-2"}), ["m-2"])
    same(ids({"status": {"$in": ["stopped", "pending"]}}), ["m-1", "m-3"])
    same(ids({"status": {"$in": []}}), [])
    same(ids({"machine_id": {"$regex": "-[12]$"}}), ["m-1", "m-2"])
    same(ids({"no_such_field": "x"}), [])


@behaviour
def an_unknown_operator_is_an_error(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save("m-1", machine("m-1"))
    raises(storage_error(), lambda: machines.find_by_criteria({"status": {"$below": 1}}))


@behaviour
def deleting_what_is_not_there_is_no_error(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save_batch({f"m-{n}": machine(f"m-{n}") for n in range(4)})
    machines.delete("m-0")
    machines.delete("m-9")
    machines.delete_batch(["m-1", "m-9", "m-2"])
    same(sorted(broker.strategy("machines").find_all()), ["m-3"])


@behaviour
def values_of_a_column_are_counted(broker: Broker) -> None:
    machines = broker.strategy("machines")
    for n, status in enumerate(["running", "stopped", "running", None]):
        machines.save(f"m-{n}", machine(f"m-{n}", status=status))
    same(machines.count_by_column("status"), {"running": 2, "stopped": 1, "unknown": 1})


@behaviour
def what_json_does_not_have_is_an_error(broker: Broker) -> None:
    machines = broker.strategy("machines")
    wrong = machine("m-1", tags={"n": float("nan")})
    raises(storage_error(), lambda: machines.save("m-1", wrong))
    same(machines.find_by_id("m-1"), None)


@behaviour
def health_is_told(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save("m-1", machine("m-1"))
    healthy, details = machines.is_healthy()
    assert healthy, details
    assert details["type"]


# -- units of work ---------------------------------------------------------------------


@behaviour
def a_unit_of_work_writes_all_three_kinds(broker: Broker) -> None:
    with broker.unit_of_work() as unit:
        strategy_of(unit, "requests").save("req-1", request("req-1"))
        strategy_of(unit, "machines").save("m-1", machine("m-1"))
        strategy_of(unit, "templates").save("small", template("small"))
    unit = broker.unit_of_work()
    for collection, id in (("requests", "req-1"), ("machines", "m-1"), ("templates", "small")):
        assert strategy_of(unit, collection).exists(id), collection


@behaviour
def rollback_undoes(broker: Broker) -> None:
    broker.strategy("machines").save("m-0", machine("m-0"))

    def fail() -> None:
        with broker.unit_of_work() as unit:
            strategy_of(unit, "machines").save("m-1", machine("m-1"))
            strategy_of(unit, "requests").save("req-1", request("req-1"))
            strategy_of(unit, "machines").delete("m-0")
            raise Enough

    raises(Enough, fail)
    same(sorted(broker.strategy("machines").find_all()), ["m-0"])
    same(sorted(broker.strategy("requests").find_all()), [])


@behaviour
def nothing_is_written_before_the_commit(broker: Broker) -> None:
    with broker.unit_of_work() as unit:
        strategy_of(unit, "machines").save("m-1", machine("m-1"))
        same(broker.strategy("machines").find_by_id("m-1"), None)
    assert broker.strategy("machines").exists("m-1")


@behaviour
def a_unit_of_work_sees_its_own_writes(broker: Broker) -> None:
    broker.strategy("machines").save_batch({f"m-{n}": machine(f"m-{n}") for n in range(3)})
    with broker.unit_of_work() as unit:
        machines = strategy_of(unit, "machines")
        machines.save("m-3", machine("m-3", status="new"))
        machines.save("m-0", machine("m-0", status="new", version=1))
        machines.delete("m-1")
        same(machines.find_by_id("m-1"), None)
        same(sorted(machines.find_all()), ["m-0", "m-2", "m-3"])
        found = machines.find_by_criteria({"status": "new"})
        same(sorted(document["machine_id"] for document in found), ["m-0", "m-3"])
        same(machines.count(), 3)
    same(broker.strategy("machines").count(), 3)


@behaviour
def a_lost_update_is_refused(broker: Broker) -> None:
    broker.strategy("requests").save("req-1", request("req-1"))
    first, second = broker.unit_of_work(), broker.unit_of_work()
    first.begin()
    second.begin()
    for unit, status in ((first, "in_progress"), (second, "failed")):
        seen = strategy_of(unit, "requests").find_by_id("req-1")
        changed = {**seen, "status": status, "version": seen["version"] + 1}
        strategy_of(unit, "requests").save("req-1", changed)
    first.commit()
    raises(concurrency_error(), second.commit)
    same(broker.strategy("requests").find_by_id("req-1")["status"], "in_progress")


@behaviour
def a_unit_of_work_that_failed_can_be_begun_again(broker: Broker) -> None:
    broker.strategy("requests").save("req-1", request("req-1"))
    unit = broker.unit_of_work()
    for attempt in range(2):
        unit.begin()
        seen = strategy_of(unit, "requests").find_by_id("req-1")
        changed = {**seen, "status": f"attempt {attempt}", "version": seen["version"] + 1}
        strategy_of(unit, "requests").save("req-1", changed)
        if attempt == 0:
            other = {**seen, "status": "other", "version": seen["version"] + 1}
            broker.strategy("requests").save("req-1", other)
            raises(concurrency_error(), unit.commit)
        else:
            unit.commit()
    same(broker.strategy("requests").find_by_id("req-1")["status"], "attempt 1")


@behaviour
def an_older_version_never_replaces_a_newer_one(broker: Broker) -> None:
    requests = broker.strategy("requests")
    requests.save("req-1", request("req-1", status="done", version=3))
    stale = request("req-1", status="stale", version=2)
    raises(concurrency_error(), lambda: requests.save("req-1", stale))
    same(broker.strategy("requests").find_by_id("req-1")["status"], "done")


@behaviour
def saving_the_same_again_is_no_conflict(broker: Broker) -> None:
    requests = broker.strategy("requests")
    for _ in range(2):
        requests.save("req-1", request("req-1", version=3))
    with broker.unit_of_work() as unit:
        strategy_of(unit, "requests").save("req-1", request("req-1", version=3))


@behaviour
def several_changes_before_one_save_are_no_conflict(broker: Broker) -> None:
    requests = broker.strategy("requests")
    requests.save("req-1", request("req-1", version=1))
    with broker.unit_of_work() as unit:
        strategy_of(unit, "requests").save("req-1", request("req-1", status="done", version=4))
    same(broker.strategy("requests").find_by_id("req-1")["status"], "done")


@behaviour
def a_batch_is_all_or_nothing(broker: Broker) -> None:
    machines = broker.strategy("machines")
    batch: dict[str, Any] = {f"m-{n}": machine(f"m-{n}") for n in range(3)}
    batch["m-9"] = machine("m-9", tags={"n": float("inf")})
    raises(Exception, lambda: machines.save_batch(batch))
    same(sorted(broker.strategy("machines").find_all()), [])


# -- the container's repositories ------------------------------------------------------


@behaviour
def an_injected_repository_sees_what_a_unit_of_work_wrote(broker: Broker) -> None:
    with broker.unit_of_work() as unit:
        strategy_of(unit, "requests").save("req-1", request("req-1"))
        strategy_of(unit, "machines").save("m-1", machine("m-1"))
    injected = broker.injected("create_request_repository")
    found = injected.find_by_id("req-1")
    assert found is not None and found["request_id"] == "req-1", found
    same(sorted(injected.find_all()), ["req-1"])


@behaviour
def what_an_injected_repository_saves_is_there(broker: Broker) -> None:
    broker.injected("create_request_repository").save("req-1", request("req-1"))
    found = broker.strategy("requests").find_by_id("req-1")
    assert found is not None and found["status"] == "pending", found


@behaviour
def a_strategy_of_any_kind_finds_the_collection_itself(broker: Broker) -> None:
    generic = broker.injected("create_something_else")
    generic.save("m-1", machine("m-1"))
    generic.save("req-1", request("req-1"))
    generic.save("small", template("small"))
    for collection, id in (("machines", "m-1"), ("requests", "req-1"), ("templates", "small")):
        assert broker.strategy(collection).exists(id), collection
        assert generic.exists(id), id
    generic.delete("req-1")
    assert not broker.strategy("requests").exists("req-1")


# -- other processes -------------------------------------------------------------------


def worker(broker: Broker, first: int, count: int) -> "subprocess.Popen[str]":
    script = Path(__file__).with_name("worker.py")
    words = [sys.executable, str(script), broker.spec(), str(first), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment())


@behaviour
def two_processes_lose_nothing(broker: Broker) -> None:
    broker.strategy("machines").save("m-first", machine("m-first"))
    broker.forget()
    workers = [worker(broker, 0, 500), worker(broker, 500, 500)]
    try:
        for one in workers:
            one.communicate(timeout=300)
            same(one.returncode, 0)
    finally:
        for one in workers:
            one.kill()
    found = len(broker.strategy("machines").find_all()) - 1
    assert found == 1000, f"{found} of 1000 survive"


@behaviour
def a_killed_process_loses_nothing_that_it_acknowledged(broker: Broker) -> None:
    broker.strategy("machines").save("m-first", machine("m-first"))
    broker.forget()
    one = worker(broker, 0, 100_000)
    assert one.stdout is not None
    acknowledged = [one.stdout.readline().strip() for _ in range(50)]
    one.kill()
    # What it had said before it was killed.
    acknowledged += one.stdout.read().split("\n")[:-1]
    one.wait()
    one.stdout.close()
    machines = broker.strategy("machines")
    lost = [id for id in acknowledged if id and machines.find_by_id(id) is None]
    assert not lost, f"{len(lost)} of {len(acknowledged)} are lost"


@behaviour
def a_truncated_file_is_refused(broker: Broker) -> None:
    if not broker.has_files:
        return
    broker.strategy("machines").save_batch({f"m-{n}": machine(f"m-{n}") for n in range(200)})
    broker.forget()
    files = broker.data_files()
    assert files, "no file"
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    raises(Exception, lambda: broker.strategy("machines").find_all())


@behaviour
def a_store_that_cannot_be_had_is_an_error(broker: Broker) -> None:
    machines = broker.strategy("machines")
    machines.save("m-1", machine("m-1"))
    if not broker.has_files:
        return
    broker.forget()
    for file in broker.data_files():
        # In the place of the file stands what is none.
        file.unlink()
        file.mkdir()
    raises(Exception, lambda: broker.strategy("machines").count())
    raises(Exception, lambda: broker.strategy("machines").exists("m-1"))
