"""The client of FutureHouse against the server."""

import asyncio
import logging
import os
import sys
import types

from futurehouse_client import FutureHouseClient
from futurehouse_client.models import data_storage_methods, rest

from steps import Steps
from story import Calls, Story

logging.disable(logging.CRITICAL)
MODELS = types.SimpleNamespace(**{**vars(rest), **vars(data_storage_methods)})


def client(key):
    return FutureHouseClient(service_uri=os.environ["REPO_CLIENTS_URL"], api_key=key)


async def main():
    run = Steps("fh")
    bucket = tuple(filter(None, os.environ.get("REPO_CLIENTS_BUCKET", "").split(" ")))
    with run.refused("a wrong key", "401"):
        client("wrong")
    for twin in [False, True]:
        run.prefix = "async: " if twin else "sync: "
        mine, others = (Calls(client(os.environ[f"REPO_CLIENTS_KEY_{name}"]), twin) for name in ["ALICE", "BOB"])
        # Of a single file the client sends no more than this.
        keeps = {"description", "project_id"} | ({"dataset_id"} if twin else set())
        await Story(run, MODELS, mine, others, keeps).all(bucket)
    return run.end()


sys.exit(asyncio.run(main()))
