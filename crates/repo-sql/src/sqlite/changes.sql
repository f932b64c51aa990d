ALTER TABLE "_repo_store" ADD COLUMN "capture" TEXT;
ALTER TABLE "_repo_store" ADD COLUMN "history" TEXT;
ALTER TABLE "_repo_store" ADD COLUMN "trimmed" INTEGER NOT NULL DEFAULT 0;
CREATE TABLE "_repo_changes" (
  "position" INTEGER PRIMARY KEY AUTOINCREMENT,
  "collection" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "deleted" INTEGER NOT NULL,
  "captured_at" INTEGER NOT NULL
);
CREATE TABLE "_repo_items" (
  "collection" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "value" TEXT NOT NULL,
  PRIMARY KEY ("collection", "key")
) WITHOUT ROWID;
CREATE TABLE "_repo_attributions" (
  "collection" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "author" TEXT,
  "reason" TEXT,
  PRIMARY KEY ("collection", "id", "version")
) WITHOUT ROWID;
UPDATE "_repo_store" SET "layout_version" = 3;
