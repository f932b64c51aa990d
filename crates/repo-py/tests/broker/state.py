"""State of a broker: templates, requests and machines, made of the broker's own classes and
saved by its own repositories."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from brokers import Broker

#: So many machines has each request.
MACHINES_EACH = 4

COLLECTIONS = ("machines", "requests", "templates")

#: Ids of what is stored, by its collection.
Ids = dict[str, set[str]]


def fill(broker: Broker, requests: int = 5) -> Ids:
    """Saves one template, requests and their machines."""
    ids: Ids = {"machines": set(), "requests": set(), "templates": {"small"}}
    with broker.unit_of_work() as unit:
        unit.templates.save(_template())
        for number in range(requests):
            request = _request()
            machines = [_machine(request, number, of) for of in range(MACHINES_EACH)]
            own = [machine.machine_id.value for machine in machines]
            unit.requests.save(request.add_machine_ids(own))
            for machine in machines:
                unit.machines.save(machine)
            ids["requests"].add(request.request_id.value)
            ids["machines"].update(own)
    return ids


def kept(broker: Broker, collection: str) -> dict[str, dict[str, Any]]:
    """The documents of a collection as a broker's own storage finds them."""
    found: dict[str, dict[str, Any]] = broker.strategy(collection).find_all()
    return found


def _template() -> Any:
    from orb.domain.template.template_aggregate import Template

    return Template(
        template_id="small",
        name="Größe S",
        machine_image="ami-12345678",
        machine_types={"t3.medium": 2, "t3.large": 1},
        max_machines=50,
        max_price=0.1,
        subnet_ids=["subnet-1", "subnet-2"],
        tags={"Team": "risk"},
        metadata={"nested": {"list": [1, 2.5, None, True, ""]}},
        provider_type="aws",
        provider_name="aws_test",
        provider_api="RunInstances",
        created_at=datetime(2026, 11, 28, 17, 8, 40, 35855, tzinfo=timezone.utc),
    )


def _request() -> Any:
    from orb.domain.request.aggregate import Request
    from orb.domain.request.value_objects import RequestType

    return Request.create_new_request(
        request_type=RequestType.ACQUIRE,
        template_id="small",
        machine_count=MACHINES_EACH,
        provider_type="aws",
        provider_name="aws_test",
        provider_api="RunInstances",
        metadata={"provider_confidence": 0.95, "dry_run": False, "note": 'a "quoted" \\ note'},
    )


def _machine(request: Any, number: int, of: int) -> Any:
    from orb.domain.base.value_objects import InstanceType, Tags
    from orb.domain.machine.aggregate import Machine
    from orb.domain.machine.machine_identifiers import MachineId
    from orb.domain.machine.machine_status import MachineStatus

    started = datetime(2026, 11, 28, 17, 8, 41, tzinfo=timezone.utc)
    return Machine(
        machine_id=MachineId(value=f"i-{number:08x}{of:09x}"),
        name=f"host-{number}-{of}",
        template_id="small",
        request_id=request.request_id.value,
        provider_type="aws",
        provider_name="aws_test",
        provider_api="RunInstances",
        resource_id=f"r-{number:017x}",
        instance_type=InstanceType(value="t3.medium"),
        image_id="ami-12345678",
        price_type="ondemand",
        private_ip=f"10.0.{number}.{of}",
        security_group_ids=["sg-1", "sg-2"],
        status=MachineStatus.RUNNING if of else MachineStatus.PENDING,
        launch_time=started + timedelta(seconds=number, microseconds=of),
        tags=Tags(tags={"Owner": f"Größe {number}"}),
        metadata={"spot_price": 0.0123 * (of + 1), "attempts": [], "empty": {}},
        provider_data={"vcpus": 2, "region": "eu-west-2"},
    )
