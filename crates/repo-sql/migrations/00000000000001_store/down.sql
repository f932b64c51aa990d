DROP TABLE "_repo_objects";
DROP TABLE "_repo_collections";
DROP TABLE "_repo_store";
