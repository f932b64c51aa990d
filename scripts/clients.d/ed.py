"""The client of Edison against the server: FutureHouse's story, and what Edison added."""

import asyncio
import logging
import os
import sys
import types
import uuid

from edison_client import EdisonClient
from edison_client.models import data_storage_methods, rest

from steps import Steps, holds, same
from story import Calls, Story

logging.disable(logging.CRITICAL)
MODELS = types.SimpleNamespace(**{**vars(rest), **vars(data_storage_methods)})
Update = data_storage_methods.DataStorageRevisionUpdate


def client(key):
    return EdisonClient(service_uri=os.environ["REPO_CLIENTS_URL"], api_key=key)


async def revisions(run, story, id):
    """Revisions of a text: published, stale, drafted."""
    call = story.mine
    with run.step("an entry has a revision to start from"):
        first = await call("get_data_storage_entry", id)
        holds(first.current_revision_id is not None, "it has none")
    with run.step("revise a text"):
        change = Update(revision_id=uuid.uuid4(), base_revision_id=first.current_revision_id, content="second")
        done = await call("update_data_storage_entry", id, change)
        same((done.current_revision_id, done.content), (change.revision_id, "second"))
    with run.step("the same revision again is the same"):
        done = await call("update_data_storage_entry", id, change)
        same(done.current_revision_id, change.revision_id)
    with run.refused("a revision on a stale base", "409"):
        stale = Update(revision_id=uuid.uuid4(), base_revision_id=first.current_revision_id, content="lost")
        await call("update_data_storage_entry", id, stale)
    with run.step("a draft is not seen"):
        draft = Update(
            revision_id=uuid.uuid4(), base_revision_id=change.revision_id, content="third", publish=False
        )
        await call("update_data_storage_entry", id, draft)
        same(await story.fetched(id), b"second")
        shown = await call("list_data_storage_revisions", id)
        holds(draft.revision_id not in [one.id for one in shown.revisions], "the draft is listed")
        shown = await call("list_data_storage_revisions", id, include_unpublished=True)
        holds(draft.revision_id in [one.id for one in shown.revisions], "the draft is not listed")
    with run.step("publish a draft"):
        publish = Update(revision_id=draft.revision_id, base_revision_id=change.revision_id, description="3rd")
        done = await call("update_data_storage_entry", id, publish)
        same((done.current_revision_id, done.content), (draft.revision_id, "third"))
    with run.step("the history"):
        shown = await call("list_data_storage_revisions", id, limit=100)
        same(shown.current_revision_id, draft.revision_id)
        texts = {one.id: one.snapshot.content for one in shown.revisions}
        same((texts[change.revision_id], texts[draft.revision_id]), ("second", "third"))
    with run.step("fetch every version"):
        same(await story.fetched(id, revision_id=first.current_revision_id), "hello, 3 µl".encode())
        same(await story.fetched(id, version=first.version), "hello, 3 µl".encode())
        same(await story.fetched(id, revision_id=change.revision_id), b"second")
        same(await story.fetched(id), b"third")
    with run.refused("a version that never was", "404"):
        await story.fetched(id, version=99)


async def revised_file(run, story, files):
    """A file whose next revision is another entry's file."""
    call, id = story.mine, files["three.bin"]
    with run.step("revise a file"):
        first = await call("get_data_storage_entry", id)
        change = Update(
            revision_id=uuid.uuid4(),
            base_revision_id=first.current_revision_id,
            source_entry_id=files["large.bin"],
        )
        await call("update_data_storage_entry", id, change)
        holds(await story.fetched(id) == story.contents["large.bin"], "the bytes differ")
    with run.step("the file as it was"):
        same(await story.fetched(id, revision_id=first.current_revision_id), story.contents["three.bin"])
    with run.step("the history of a file"):
        shown = await call("list_data_storage_revisions", id)
        holds(change.revision_id in [one.id for one in shown.revisions], "the revision is not listed")


async def more(run, story, text, files):
    """Tags, status, search in the text."""
    call = story.mine
    with run.step("tags"):
        done = await call("update_entry_tags", text, ["q", "r"])
        same(done.data_storage.tags, ["q", "r"])
    if call.twin:
        with run.step("status"):
            found = await call("get_data_storage_status", files["large.bin"])
            same((found.id, found.status.value), (files["large.bin"], "active"))
    named = MODELS.SearchCriterion(field="name", operator="equals", value="text")
    logic = MODELS.FilterLogic.AND
    with run.step("search in every text"):
        found = await call("search_data_storage", [named], text_query=story.token, filter_logic=logic)
        same([uuid.UUID(one["id"]) for one in found], [text])
    # A long text is kept elsewhere, and searched all the same.
    with run.step("search in every text, long ones among them"):
        found = await call("search_data_storage", text_query=story.token, filter_logic=logic)
        holds(text in [uuid.UUID(one["id"]) for one in found], "the text is not found")
        long = MODELS.SearchCriterion(field="name", operator="equals", value="long")
        part = "long text, 3 µl\nlong text"
        found = await call("search_data_storage", [long], text_query=part, filter_logic=logic)
        holds(found and all(one["name"] == "long" for one in found), "the long text is not found")
    with run.step("search by words"):
        wanted = MODELS.SearchCriterion(field="description", operator="fulltext", value=story.token)
        found = await call("search_data_storage", criteria=[wanted])
        same([uuid.UUID(one["id"]) for one in found], [text])
    with run.refused("highlighting, which is not offered", "422", "not offered"):
        await call("search_data_storage", [named], text_query="x", highlight=True, filter_logic=logic)


async def main():
    run = Steps("ed")
    bucket = tuple(filter(None, os.environ.get("REPO_CLIENTS_BUCKET", "").split(" ")))
    with run.refused("a wrong key", "401"):
        client("wrong").check_credentials()
    keeps = {"description", "project_id", "tags", "metadata", "dataset_id"}
    for twin in [False, True]:
        run.prefix = "async: " if twin else "sync: "
        mine, others = (Calls(client(os.environ[f"REPO_CLIENTS_KEY_{name}"]), twin) for name in ["ALICE", "BOB"])
        story = Story(run, MODELS, mine, others, keeps)
        text, files = await story.all(bucket)
        await more(run, story, text, files)
        await revisions(run, story, text)
        await revised_file(run, story, files)
    return run.end()


sys.exit(asyncio.run(main()))
