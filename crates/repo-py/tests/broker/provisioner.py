"""A broker in a process of its own, whose machines are those that moto makes of AWS, in that
process: provisioner.py FOLDER BLOCK. FOLDER is that of an ``Installed``, BLOCK the JSON of
``repo_engine_strategy``; the environment is that of the ``Installed``.

It is called through the broker's SDK. Reads a call a line, a JSON list, and answers each
with one line of JSON, an object with ``answer`` or with ``error``:

    ["request", TEMPLATE]     a machine
    ["status", REQUEST, …]    how requests are
    ["return", MACHINE, …]    machines are given back
    ["instances"]             the provider's own list, each instance with its state
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from installed import REGION, Installed
from moto import mock_aws

TEMPLATE = "small"


def network(ec2: Any) -> dict[str, Any]:
    """Makes what a template needs: a subnet and a security group."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=f"{REGION}a")
    group = ec2.create_security_group(GroupName="broker", Description="broker", VpcId=vpc)
    return {
        "subnet_ids": [subnet["Subnet"]["SubnetId"]],
        "security_group_ids": [group["GroupId"]],
    }


def configured(installed: Installed, block: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Writes the configuration and one template."""
    template = {
        "template_id": TEMPLATE,
        "name": TEMPLATE,
        "provider_type": "aws",
        "provider_api": "RunInstances",
        "price_type": "ondemand",
        "machine_types": {"t3.micro": 1},
        "image_id": "ami-12345678",
        "max_machines": 100,
        "tags": {"Team": "risk"},
        **made,
    }
    templates = {"scheduler_type": "default", "templates": [template]}
    (installed.config / "aws_templates.json").write_text(json.dumps(templates))
    return installed.engine(block, template_defaults=made)


def instances(ec2: Any) -> dict[str, str]:
    found = ec2.describe_instances()["Reservations"]
    each = [one for reservation in found for one in reservation["Instances"]]
    return {one["InstanceId"]: one["State"]["Name"] for one in each}


async def called(client: Any, ec2: Any, name: str, words: list[str]) -> Any:
    if name == "request":
        return await client.request_machines(template_id=words[0], count=1)
    if name == "status":
        return await client.get_request_status(request_ids=words)
    if name == "return":
        return await client.return_machines(machine_ids=words)
    if name == "instances":
        return instances(ec2)
    raise ValueError(f"no such call: {name}")


async def serve(values: dict[str, Any], ec2: Any, answers: Any) -> None:
    from orb.sdk.client import ORBClient

    async with ORBClient(app_config=values) as client:
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            name, *words = json.loads(line)
            try:
                # A task of its own, as a server makes for each call.
                answer = await asyncio.create_task(called(client, ec2, name, words))
                said = {"answer": answer}
            except Exception as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps(said, default=str) + "\n")
            answers.flush()


def main() -> None:
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    installed, block = Installed(Path(sys.argv[1])), json.loads(sys.argv[2])
    # The engine finds the local DynamoDB by the credentials of the environment.
    with mock_aws(config={"core": {"mock_credentials": False}}):
        ec2 = boto3.client("ec2", region_name=REGION)
        values = configured(installed, block, network(ec2))
        asyncio.run(serve(values, ec2, answers))


if __name__ == "__main__":
    main()
