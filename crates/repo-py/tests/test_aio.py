"""The face for asyncio."""

from __future__ import annotations

import asyncio
import sqlite3
import unittest
from typing import Any

from places import OnEveryStore, Places, on_every_store
from repo_engine import ConflictError, Store, Write
from repo_engine.aio import AsyncStore, migrate


@on_every_store(globals())
class TestAsyncStore(OnEveryStore):
    def test_a_story(self) -> None:
        async def story() -> None:
            async with await AsyncStore.open(self.place(), schemas=["jobs"]) as store:
                await asyncio.gather(
                    *(store.put("jobs", f"j-{n}", {"id": f"j-{n}", "n": n}) for n in range(20))
                )
                found = await store.get("jobs", "j-7")
                assert found is not None
                self.assertEqual(found.json()["n"], 7)
                self.assertEqual(await store.count("jobs", strong=True), 20)
                ids = [one.id async for one in store.scan("jobs", strong=True)]
                self.assertEqual(len(set(ids)), 20)
                found_few = store.find("jobs", {"n": {"$lt": 2}}, order_by="n", strong=True)
                few = [one.id async for one in found_few]
                self.assertEqual(few, ["j-0", "j-1"])
                page = await store.query("jobs", limit=5)
                self.assertEqual(len(page), 5)
                async with store.transaction() as tx:
                    seen = await tx.get("jobs", "j-0")
                    assert seen is not None
                    await tx.put("jobs", "j-0", {"id": "j-0", "n": 100})
                    await tx.delete("jobs", "j-1")
                with self.assertRaises(ConflictError):
                    await store.commit([Write.delete("jobs", "j-0", expect=1)])
                self.assertEqual(await store.count_by("jobs", "none", strong=True), {None: 19})
                groups = await store.aggregate("jobs", functions=["max(n)"], strong=True)
                self.assertEqual(groups[0]["values"]["max(n)"]["value"], 100)
                self.assertTrue((await store.health())["ok"])

        asyncio.run(story())


class TestLoop(Places):
    def test_the_loop_goes_on_while_a_call_waits(self) -> None:
        name = self.folder / "a.db"
        Store.open(f"sqlite:{name}", schemas=["jobs"]).close()
        other = sqlite3.connect(name, isolation_level=None)
        self.addCleanup(other.close)

        async def story() -> None:
            async with await AsyncStore.open(f"sqlite:{name}", schemas=["jobs"]) as store:
                other.execute("BEGIN IMMEDIATE")
                waiting = asyncio.create_task(store.put("jobs", "a", {"id": "a"}))
                await asyncio.sleep(0)
                # Only the loop can give back what the call waits for.
                other.execute("COMMIT")
                self.assertEqual(await waiting, 1)

        asyncio.run(story())

    def test_a_migration_reports_in_the_loop(self) -> None:
        source = f"json:{self.folder}/source"
        with Store.open(source, schemas=["jobs"]) as store:
            store.put("jobs", "a", {"id": "a"})

        async def story() -> Any:
            events: list[Any] = []
            report = await migrate(
                source,
                f"sqlite:{self.folder}/a.db",
                schemas=["jobs"],
                backup=None,
                progress=events.append,
            )
            await asyncio.sleep(0)
            self.assertIn("copy", [event.phase for event in events])
            return report

        self.assertEqual(asyncio.run(story())["outcome"], "verified")


if __name__ == "__main__":
    unittest.main()
