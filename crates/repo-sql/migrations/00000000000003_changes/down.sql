DROP TABLE "_repo_inbox";
DROP TABLE "_repo_changes";
DROP TABLE "_repo_feed";
DROP TABLE "_repo_items";
DROP TABLE "_repo_attributions";
ALTER TABLE "_repo_store" DROP COLUMN "history";
ALTER TABLE "_repo_store" DROP COLUMN "capture";
UPDATE "_repo_store" SET "layout_version" = 2;
