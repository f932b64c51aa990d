ALTER TABLE "_repo_store" ADD COLUMN "capture" text;
ALTER TABLE "_repo_store" ADD COLUMN "history" text;
CREATE TABLE "_repo_inbox" (
  "place" bigint GENERATED ALWAYS AS IDENTITY,
  "collection" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "deleted" boolean NOT NULL,
  "removed" boolean NOT NULL
);
CREATE TABLE "_repo_changes" (
  "position" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "collection" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "deleted" boolean NOT NULL,
  "captured_at" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE "_repo_feed" (
  "one" integer PRIMARY KEY NOT NULL CHECK ("one" = 1),
  "trimmed" bigint NOT NULL
);
CREATE TABLE "_repo_items" (
  "collection" text COLLATE "C" NOT NULL,
  "key" text COLLATE "C" NOT NULL,
  "value" text NOT NULL,
  PRIMARY KEY ("collection", "key")
);
CREATE TABLE "_repo_attributions" (
  "collection" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "version" bigint NOT NULL,
  "author" text,
  "reason" text,
  PRIMARY KEY ("collection", "id", "version")
);
INSERT INTO "_repo_feed" ("one", "trimmed") VALUES (1, 0);
UPDATE "_repo_store" SET "layout_version" = 3;
