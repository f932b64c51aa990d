"""What the clients of FutureHouse and Edison have in common, for one who stores and one who
is given access. Each chapter runs with the synchronous calls and with their twins."""

import pathlib
import uuid

import material
from steps import holds, same

LONG_TEXT = "long text, 3 µl\n" * 20_000


class Calls:
    """Calls the client, or its asynchronous twin."""

    def __init__(self, client, twin):
        self.client = client
        self.twin = twin

    async def __call__(self, method, *arguments, **named):
        if self.twin:
            return await getattr(self.client, f"a{method}")(*arguments, **named)
        return getattr(self.client, method)(*arguments, **named)


class Story:
    """The chapters. `models` has the client's own types, `keeps` the fields of a single file
    that the client sends at all."""

    def __init__(self, run, models, mine, others, keeps):
        self.run = run
        self.models = models
        self.mine = mine
        self.others = others
        self.keeps = keeps
        self.contents, self.directory = material.make("files")
        # What one run searches for, no other one finds.
        self.token = f"token{uuid.uuid4().hex}"

    async def fetched(self, id, **which):
        """The content of an entry: bytes of a file, or the text."""
        found = await self.mine("fetch_data_from_storage", id, **which)
        holds(found is not None, "nothing was fetched")
        if isinstance(found, pathlib.Path):
            return found.read_bytes()
        return found.content.encode()

    async def texts(self):
        """Texts, short and long, with all that is said of them."""
        run, call = self.run, self.mine
        project = uuid.uuid4()
        about = {"description": f"about {self.token}", "tags": ["x", "y"], "metadata": {"m": {"n": [1, None]}}}
        with run.step("store a text"):
            stored = await call(
                "store_text_content", name="text", content="hello, 3 µl", project_id=project, **about
            )
            same(stored.data_storage.status.value, "active", "the status")
        with run.step("everything that was said of it is kept"):
            found = await call("get_data_storage_entry", stored.data_storage.id)
            entry, [location] = found.data_storage, found.storage_locations
            same((entry.name, entry.content, entry.project_id), ("text", "hello, 3 µl", project))
            same((entry.description, entry.tags), (about["description"], about["tags"]))
            same(location.storage_config.metadata, about["metadata"], "the metadata")
        with run.step("fetch a text"):
            same(await self.fetched(stored.data_storage.id), "hello, 3 µl".encode())
        with run.step("a long text"):
            long = await call("store_text_content", name="long", content=LONG_TEXT)
            same(await self.fetched(long.data_storage.id), LONG_TEXT.encode())
        return stored.data_storage.id

    async def files(self):
        """Files, byte for byte."""
        run, call = self.run, self.mine
        ids = {}
        for name, content in self.contents.items():
            about = {"description": f"the file {name}", "project_id": uuid.uuid4(), "tags": ["f"]}
            about["metadata"] = {"of": name}
            with run.step(f"store {name}"):
                stored = await call("store_file_content", name=name, file_path=f"files/{name}", **about)
                ids[name] = stored.data_storage.id
                same(stored.data_storage.status.value, "active", "the status")
            with run.step(f"what the client said of {name} is kept"):
                found = await call("get_data_storage_entry", ids[name])
                for field in {"description", "project_id", "tags"} & self.keeps:
                    same(getattr(found.data_storage, field), about[field], field)
                if "metadata" in self.keeps:
                    kept = found.storage_locations[0].storage_config.metadata
                    same(kept["of"], name, "the metadata")
            with run.step(f"fetch {name}"):
                found = await call("fetch_data_from_storage", ids[name])
                path = found if isinstance(found, pathlib.Path) else found.filename
                same(path.name, name, "the name")
                holds(await self.fetched(ids[name]) == content, "the bytes differ")
        return ids

    async def collection(self):
        """A directory as one zip."""
        run, call = self.run, self.mine
        with run.step("store a directory as a collection"):
            stored = await call(
                "store_file_content",
                name="samples",
                file_path=self.directory,
                description="all plates",
                as_collection=True,
                manifest_filename=material.MANIFEST_NAME,
                ignore_patterns=list(material.IGNORE_PATTERNS),
                tags=["c"],
                metadata={"of": "samples"},
            )
            entry = stored.data_storage
            same((entry.is_collection, entry.status.value), (True, "active"))
            same((entry.description, entry.tags), ("all plates", ["c"]))
        with run.step("fetch a collection: the same files, and none that is ignored"):
            folder = await call("fetch_data_from_storage", stored.data_storage.id)
            same(material.read_tree(folder), material.TREE)

    async def hierarchy(self):
        """A directory as one entry a file."""
        run, call = self.run, self.mine
        with run.step("store a directory file by file"):
            root = await call(
                "store_file_content",
                name="samples",
                file_path=self.directory,
                description="every plate",
                manifest_filename=material.MANIFEST_NAME,
                ignore_patterns=list(material.IGNORE_PATTERNS),
            )
            root = root.data_storage
            same(root.description, "every plate")
            holds(root.dataset_id is not None, "the directory has no dataset")
        with run.step("its dataset has every file and folder in its place, and no other"):
            found = await call("get_dataset", root.dataset_id)
            entries = by_path(found.data_storage_entries, root.id)
            expected = {"", *material.TREE, *material.DIRECTORIES}
            same(sorted(entries), sorted(expected))
        with run.step("every description is kept"):
            for path, description in material.DESCRIPTIONS.items():
                same(entries[path].description, description, path)
            for path, words in material.DIRECTORIES.items():
                holds(words in entries[path].description, f"{path}: {entries[path].description}")
        with run.step("every file is fetched byte for byte"):
            for path, content in material.TREE.items():
                holds(await self.fetched(entries[path].id) == content, f"the bytes of {path} differ")
        with run.step("a directory has no content of its own"):
            same(await call("fetch_data_from_storage", root.id), None)

    async def places(self, bucket):
        """Links and outside sources; a bucket where the server may read one."""
        run, call, models = self.run, self.mine, self.models
        with run.step("store a link"):
            url = "https://example.org/a?b=c"
            stored = await call(
                "store_link", name="link", url=url, description="a page", instructions="read it", metadata={"m": 1}
            )
            found = await call("get_data_storage_entry", stored.data_storage.id)
            config = found.storage_locations[0].storage_config
            same((config.storage_type, config.location), ("link", url))
            same(config.metadata["instructions"], "read it")
        with run.refused("fetch a link, by the client itself", "Unsupported storage type"):
            await call("fetch_data_from_storage", stored.data_storage.id)
        with run.step("register a table that is listed"):
            table = {"table_name": "trajectories", "row_id": "r1"}
            stored = await self.registered("pg_table", "text", table)
            config = stored.storage_locations[0].storage_config
            same((config.storage_type, config.metadata), ("pg_table", table))
            same(await call("fetch_data_from_storage", stored.data_storage.id), None)
        with run.refused("register a table that is not listed", "403", "permission"):
            await self.registered("pg_table", "text", {"table_name": "secrets", "row_id": "r1"})
        with run.refused("register a bucket that is not listed", "403", "permission"):
            await self.registered("gcs", "directory", {"bucket_name": "unknown", "prefix": "p/"})
        if bucket:
            with run.step("register a bucket that is listed"):
                where = {"bucket_name": bucket[0], "prefix": bucket[1]}
                stored = await self.registered("gcs", "directory", where)
                holds(len(stored.storage_locations) > 1, "it has no files")
                names = [one.storage_config.location for one in stored.storage_locations]
                holds(all(name.startswith(bucket[1]) for name in names), names)
            with run.step("fetch every file of a bucket"):
                paths = await call("fetch_data_from_storage", stored.data_storage.id)
                holds(len(paths) == len(names), "some files are missing")
                sizes = {path.stat().st_size for path in paths}
                holds({3, material.LARGE} <= sizes, sizes)
        with run.refused("register with a project, by the client itself", "not JSON serializable"):
            location = models.DataStorageLocationPayload(storage_type="pg_table", content_type="text")
            await call(
                "register_existing_data_source", name="x", existing_location=location, project_id=uuid.uuid4()
            )

    async def registered(self, kind, content, metadata):
        location = self.models.DataStorageLocationPayload(
            storage_type=kind, content_type=content, metadata=metadata
        )
        return await self.mine("register_existing_data_source", name="outside", existing_location=location)

    async def datasets(self):
        """Datasets, and deletion."""
        run, call = self.run, self.mine
        with run.step("create a dataset"):
            made = await call("create_dataset", name="set", description="a set")
            same((made.name, made.description), ("set", "a set"))
        with run.refused("create a dataset under an id, by the client itself", "not JSON serializable"):
            await call("create_dataset", name="set", dataset_id=uuid.uuid4())
        with run.step("store into a dataset"):
            text = await call("store_text_content", name="in", content="in", dataset_id=made.id)
            other = await call("store_text_content", name="also in", content="in", dataset_id=made.id)
            expected = {text.data_storage.id, other.data_storage.id}
            if "dataset_id" in self.keeps:
                file = await call(
                    "store_file_content", name="f", file_path="files/three.bin", dataset_id=made.id
                )
                expected.add(file.data_storage.id)
        with run.step("a dataset has its entries"):
            found = await call("get_dataset", made.id)
            same((found.dataset.id, found.dataset.description), (made.id, "a set"))
            same({entry.id for entry in found.data_storage_entries}, expected)
        with run.step("delete an entry"):
            await call("delete_data_storage_entry", text.data_storage.id)
            found = await call("get_dataset", made.id)
            ids = {entry.id for entry in found.data_storage_entries}
            same(ids, expected - {text.data_storage.id})
        with run.refused("fetch a deleted entry", "404"):
            await call("fetch_data_from_storage", text.data_storage.id)
        with run.step("delete an entry that is not there"):
            # The client does not look at the status.
            await call("delete_data_storage_entry", uuid.uuid4())
        with run.step("delete a dataset"):
            await call("delete_dataset", made.id)
        with run.refused("get a deleted dataset", "404"):
            await call("get_dataset", made.id)
        with run.refused("fetch an entry of a deleted dataset", "404"):
            await call("fetch_data_from_storage", other.data_storage.id)
        with run.refused("fetch what was never there", "404"):
            await call("fetch_data_from_storage", uuid.uuid4())

    async def search(self):
        """Search by every operator."""
        run, call = self.run, self.mine
        criterion, logic = self.models.SearchCriterion, self.models.FilterLogic
        for name in ["alpha", "beta", "gamma"]:
            await call("store_text_content", name=f"{self.token} {name}", content=name, tags=[f"{name}-tag"])
        mine = criterion(field="name", operator="starts_with", value=self.token)

        async def names(logic, *criteria, **more):
            found = await call("search_data_storage", criteria=list(criteria), filter_logic=logic, **more)
            return sorted(one["name"].split()[-1] for one in found)

        tries = {
            "contains": ("contains", "name", "alph", ["alpha"]),
            "equals": ("equals", "name", f"{self.token} beta", ["beta"]),
            "ends with": ("ends_with", "name", "ta", ["beta"]),
            "is one of": ("in", "name", [f"{self.token} beta", f"{self.token} gamma"], ["beta", "gamma"]),
            "tags": ("contains", "tags", "gamma-tag", ["gamma"]),
            "content": ("equals", "content", "alpha", ["alpha"]),
            "nothing": ("equals", "name", "no such name", []),
        }
        for title, (operator, field, value, expected) in tries.items():
            with run.step(f"search: {title}"):
                wanted = criterion(field=field, operator=operator, value=value)
                same(await names(logic.AND, mine, wanted), expected)
        with run.step("search: one of several"):
            wanted = [criterion(field="name", operator="ends_with", value=f"{one}") for one in ["alpha", "beta"]]
            found = await names(logic.OR, *wanted, limit=100)
            holds({"alpha", "beta"} <= set(found) and "gamma" not in found, found)
        with run.step("search: page by page"):
            pages = [await names(logic.AND, mine, limit=1, offset=offset) for offset in range(4)]
            same(sorted(sum(pages, [])), ["alpha", "beta", "gamma"])
        with run.refused("search by similarity, which is not offered", "currently unavailable"):
            await call("similarity_search_data_storage", embedding=[0.1, 0.2])

    async def sharing(self):
        """Access for somebody else."""
        run, call, models = self.run, self.mine, self.models
        stored = await call("store_file_content", name="mine", file_path="files/three.bin")
        id, nobody = stored.data_storage.id, models.PermittedAccessors()

        async def share(status, accessors):
            found = await call("update_entry_permissions", id, models.ShareStatus(status), accessors)
            same(found.data_storage.share_status.value, status)

        async def read_by_other():
            path = await self.others("fetch_data_from_storage", id)
            same(path.read_bytes(), b"\x00\x01\x02")

        with run.refused("read by somebody else", "404"):
            await read_by_other()
        with run.step("share with somebody"):
            await share("shared", models.PermittedAccessors(users=["bob"]))
            await read_by_other()
        with run.refused("shared to be read is not to be changed", "403", "permission"):
            await self.others("update_entry_permissions", id, models.ShareStatus.PUBLIC, nobody)
        with run.step("deleted by somebody else it is still there"):
            # The client does not look at the status.
            await self.others("delete_data_storage_entry", id)
            same(await self.fetched(id), b"\x00\x01\x02")
        with run.step("share with nobody any more"):
            await share("private", nobody)
        with run.refused("read by somebody else again", "404"):
            await read_by_other()
        with run.step("share with everybody"):
            await share("public", nobody)
            await read_by_other()

    async def all(self, bucket):
        """Every chapter, in order; the text and the files."""
        text = await self.texts()
        files = await self.files()
        await self.collection()
        await self.hierarchy()
        await self.places(bucket)
        await self.datasets()
        await self.search()
        await self.sharing()
        return text, files


def by_path(entries, root):
    """Entries by their path below the root."""
    known = {entry.id: entry for entry in entries}

    def path(entry):
        if entry.id == root:
            return ""
        above = path(known[entry.parent_id])
        return f"{above}/{entry.name}" if above else entry.name

    return {path(entry): entry for entry in entries}
