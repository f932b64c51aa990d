CREATE TABLE "_repo_store" (
  "one" INTEGER PRIMARY KEY NOT NULL CHECK ("one" = 1),
  "layout_version" INTEGER NOT NULL,
  "store_id" TEXT,
  "epoch" INTEGER NOT NULL,
  "migration_plan" TEXT,
  "migration_progress" TEXT
);
CREATE TABLE "_repo_collections" (
  "collection" TEXT PRIMARY KEY NOT NULL,
  "schema_version" INTEGER NOT NULL,
  "floor" INTEGER NOT NULL,
  "id_field" TEXT NOT NULL
);
CREATE TABLE "_repo_objects" (
  "collection" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "definition" TEXT NOT NULL,
  PRIMARY KEY ("collection", "kind", "name")
);
INSERT INTO "_repo_store" ("one", "layout_version", "store_id", "epoch")
  VALUES (1, 2, lower(hex(randomblob(16))), 0);
