"""What storage should do for the tasks of an event loop, in which the broker's handlers run.

Importing this adds them to ``behaviours.ALL``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from behaviours import behaviour, concurrency_error, raises, same, strategy_of
from brokers import Broker, request


def save(broker: Broker, document: dict[str, Any]) -> None:
    """Saves a request in a unit of work that has not read it."""
    with broker.unit_of_work() as unit:
        strategy_of(unit, "requests").save(document["request_id"], document)


def status(broker: Broker, id: str) -> Any:
    return broker.strategy("requests").find_by_id(id)["status"]


@behaviour
def a_task_may_replace_what_it_has_stored_itself(broker: Broker) -> None:
    async def provision() -> None:
        save(broker, request("req-1"))
        # So the broker keeps which resources it has made: a copy that has changed four
        # times, saved in another thread. Its handler goes on with the one it began with.
        acquiring = request("req-1", status="acquiring", version=4)
        await asyncio.to_thread(save, broker, acquiring)
        save(broker, request("req-1", status="complete", version=3))

    asyncio.run(provision())
    same(status(broker, "req-1"), "complete")


@behaviour
def a_task_does_not_replace_what_another_has_stored(broker: Broker) -> None:
    async def cancel() -> None:
        save(broker, request("req-1", status="cancelled", version=4))

    async def provision() -> None:
        save(broker, request("req-1"))
        await asyncio.create_task(cancel())
        complete = request("req-1", status="complete", version=3)
        raises(concurrency_error(), lambda: save(broker, complete))

    asyncio.run(provision())
    same(status(broker, "req-1"), "cancelled")


@behaviour
def a_task_may_change_what_it_has_read_without_a_higher_version(broker: Broker) -> None:
    broker.strategy("requests").save("req-1", request("req-1", version=2))

    async def look() -> None:
        with broker.unit_of_work() as unit:
            seen = strategy_of(unit, "requests").find_by_id("req-1")
        # When a request was last looked at is noted so.
        save(broker, {**seen, "status_message": "looked at"})

    asyncio.run(look())
    found = broker.strategy("requests").find_by_id("req-1")
    same((found["status_message"], found["version"]), ("looked at", 2))
