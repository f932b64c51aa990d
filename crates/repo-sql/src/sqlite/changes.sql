ALTER TABLE "_repo_store" ADD COLUMN "capture" TEXT;
ALTER TABLE "_repo_store" ADD COLUMN "trimmed" INTEGER NOT NULL DEFAULT 0;
CREATE TABLE "_repo_changes" (
  "position" INTEGER PRIMARY KEY AUTOINCREMENT,
  "collection" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "version" INTEGER NOT NULL,
  "deleted" INTEGER NOT NULL,
  "captured_at" INTEGER NOT NULL
);
UPDATE "_repo_store" SET "layout_version" = 3;
