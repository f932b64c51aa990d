"""MADSci's own client against the server: every call of it, and its asynchronous twin."""

import asyncio
import logging
import os
import pathlib
import sys

from madsci.client.data_client import DataClient
from madsci.common.types.datapoint_types import (
    FileDataPoint,
    ObjectStorageDataPoint,
    ObjectStorageSettings,
    ValueDataPoint,
)

import material
from steps import Steps, holds, same

logging.disable(logging.CRITICAL)
FILES = pathlib.Path("files")
MISSING = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
VALUE = {"temperature": 23.5, "unit": "C", "tags": ["a", "b"], "none": None}


class Calls:
    """Calls the client, or its asynchronous twin where it has one."""

    def __init__(self, client, twin):
        self.client = client
        self.twin = twin

    async def __call__(self, method, *arguments):
        if self.twin and hasattr(self.client, f"async_{method}"):
            return await getattr(self.client, f"async_{method}")(*arguments)
        return getattr(self.client, method)(*arguments)


async def values(run, call):
    """A value: submitted, found, queried, repeated."""
    point = ValueDataPoint(label=f"value {call.twin}", value=VALUE)
    with run.step("submit a value"):
        stored = await call("submit_datapoint", point)
        same(stored.datapoint_id, point.datapoint_id, "the id")
    with run.step("the same again is the same"):
        again = await call("submit_datapoint", point)
        same(again.model_dump(), stored.model_dump())
    with run.refused("other content under its id", "409"):
        await call("submit_datapoint", point.model_copy(update={"value": 1}))
    with run.step("get a value"):
        found = await call("get_datapoint", point.datapoint_id)
        same(found.value, VALUE)
        same((found.label, found.data_timestamp), (point.label, point.data_timestamp))
    with run.step("the value alone"):
        same(await call("get_datapoint_value", point.datapoint_id), VALUE)
    with run.step("save a value"):
        await call("save_datapoint_value", point.datapoint_id, "saved/value.json")
        holds("23.5" in pathlib.Path("saved/value.json").read_text(), "the value is not in the file")
    with run.step("list, the latest first"):
        listed = await call("get_datapoints", 1)
        same([one.datapoint_id for one in listed], [point.datapoint_id])
    return point


async def queries(run, call, point):
    """Selectors, with Mongo's meaning."""
    label = {"label": point.label}
    selectors = {
        "by equality": label,
        "by a number": {**label, "value.temperature": {"$gt": 20, "$lte": 23.5}},
        "by an element": {**label, "value.tags": "b"},
        "by null": {**label, "value.missing": None},
        "by an expression": {"$and": [label, {"value.unit": {"$regex": "^C$"}}]},
        "by alternatives": {**label, "$or": [{"value.unit": {"$in": ["K", "C"]}}, {"value": 1}]},
    }
    for name, selector in selectors.items():
        with run.step(f"query {name}"):
            same(list(await call("query_datapoints", selector)), [point.datapoint_id])
    with run.step("a query without matches"):
        query = {**label, "value.temperature": {"$lt": 20}}
        same(await call("query_datapoints", query), {})
    with run.refused("a query that is not understood", "400"):
        await call("query_datapoints", {"label": {"$where": "1"}})


async def files(run, call, contents):
    """Files, byte for byte."""
    for name, content in contents.items():
        point = FileDataPoint(label=name, path=str(FILES / name))
        with run.step(f"submit {name}"):
            stored = await call("submit_datapoint", point)
            same(stored.datapoint_id, point.datapoint_id, "the id")
        with run.step(f"save {name}"):
            target = pathlib.Path(f"saved/{call.twin}-{name}")
            await call("save_datapoint_value", point.datapoint_id, str(target))
            holds(target.read_bytes() == content, "the bytes differ")
        if name == "large.bin":
            # The client decodes every value as JSON, and raises for bytes that are no text.
            with run.refused("the value of random bytes, by the client itself", "UnicodeDecodeError"):
                await call("get_datapoint_value", point.datapoint_id)
        else:
            with run.step(f"the value of {name}"):
                same(await call("get_datapoint_value", point.datapoint_id), content)
    with run.step("the same file again is the same"):
        again = await call("submit_datapoint", point)
        same(again.datapoint_id, point.datapoint_id, "the id")
    return point


async def many(run, call, points):
    """Calls for several at once, and for what is not there."""
    with run.refused("get what is missing", "404"):
        await call("get_datapoint", MISSING)
    with run.refused("the value of what is missing", "404"):
        await call("get_datapoint_value", MISSING)
    ids = [point.datapoint_id for point in points]
    with run.step("several by their ids, without the missing"):
        same(list(await call("get_datapoints_by_ids", [*ids, MISSING])), ids)
    with run.step("metadata"):
        found = await call("get_datapoints_metadata", ids)
        same([found[id]["label"] for id in ids], [point.label for point in points])


async def outside(run, call, settings):
    """Objects that the client puts into S3 by itself: the server keeps what is said of them."""
    point = ObjectStorageDataPoint(
        label="elsewhere", path="gone", storage_endpoint="s3.invalid:1", bucket_name="unknown", object_name="x"
    )
    with run.step("submit an object of another storage"):
        stored = await call("submit_datapoint", point)
        same((stored.bucket_name, stored.object_name), ("unknown", "x"))
    with run.refused("the value of an object in a bucket that is not listed", "403", "404"):
        await call("get_datapoint_value", point.datapoint_id)
    if settings is None:
        return
    own = Calls(DataClient(os.environ["REPO_CLIENTS_URL"] + "/", object_storage_settings=settings), call.twin)
    with run.step("a file into S3 by the client itself"):
        stored = await own("submit_datapoint", FileDataPoint(label="own", path=str(FILES / "large.bin")))
        same((str(stored.data_type.value), stored.size_bytes), ("object_storage", material.LARGE))
    with run.step("the server reads it for a client without S3"):
        target = pathlib.Path(f"saved/{call.twin}-own.bin")
        await call("save_datapoint_value", stored.datapoint_id, str(target))
        holds(target.read_bytes() == (FILES / "large.bin").read_bytes(), "the bytes differ")


def object_storage():
    """The S3 that the server may read, if there is one."""
    endpoint = os.environ.get("REPO_CLIENTS_S3_URL")
    if not endpoint:
        return None
    return ObjectStorageSettings(
        endpoint=endpoint.removeprefix("http://"),
        access_key=os.environ["REPO_CLIENTS_S3_ACCESS_KEY"],
        secret_key=os.environ["REPO_CLIENTS_S3_SECRET_KEY"],
        default_bucket=os.environ["REPO_CLIENTS_S3_BUCKET"],
    )


async def main():
    run = Steps("mad")
    contents, _ = material.make(FILES)
    settings = object_storage()
    for twin in [False, True]:
        run.prefix = "async: " if twin else "sync: "
        client = DataClient(os.environ["REPO_CLIENTS_URL"] + "/")
        call = Calls(client, twin)
        value = await values(run, call)
        await queries(run, call, value)
        file = await files(run, call, contents)
        await many(run, call, [value, file])
        await outside(run, call, settings)
        client.close()
    return run.end()


sys.exit(asyncio.run(main()))
