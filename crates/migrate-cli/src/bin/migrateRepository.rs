//! `migrateRepository`: `repoctl migrate` under the name operators know.

fn main() -> std::process::ExitCode {
    migrate_cli::cli::migrate_repository()
}
