ALTER TABLE "_repo_store" ADD COLUMN "store_id" text;
UPDATE "_repo_store" SET "store_id" = replace(gen_random_uuid()::text, '-', ''), "layout_version" = 2;
