DROP TABLE "_repo_inbox";
DROP TABLE "_repo_changes";
DROP TABLE "_repo_feed";
ALTER TABLE "_repo_store" DROP COLUMN "capture";
UPDATE "_repo_store" SET "layout_version" = 2;
