UPDATE "_repo_store" SET "layout_version" = 1;
ALTER TABLE "_repo_store" DROP COLUMN "store_id";
