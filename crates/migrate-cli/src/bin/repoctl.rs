//! `repoctl`: set up, look into, change and move repositories.

fn main() -> std::process::ExitCode {
    migrate_cli::cli::repoctl()
}
