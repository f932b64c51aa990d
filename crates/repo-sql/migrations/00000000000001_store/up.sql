CREATE TABLE "_repo_store" (
  "one" integer PRIMARY KEY NOT NULL CHECK ("one" = 1),
  "layout_version" integer NOT NULL,
  "epoch" bigint NOT NULL,
  "migration_plan" text,
  "migration_progress" text
);
CREATE TABLE "_repo_collections" (
  "collection" text COLLATE "C" PRIMARY KEY NOT NULL,
  "schema_version" integer NOT NULL,
  "floor" bigint NOT NULL,
  "id_field" text NOT NULL
);
CREATE TABLE "_repo_objects" (
  "collection" text COLLATE "C" NOT NULL,
  "kind" text NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "definition" text NOT NULL,
  PRIMARY KEY ("collection", "kind", "name")
);
COMMENT ON TABLE "_repo_store" IS 'the store''s own record, made by repoctl init';
INSERT INTO "_repo_store" ("one", "layout_version", "epoch") VALUES (1, 1, 0);
