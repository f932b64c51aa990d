//! `repo-server`: the data service.

fn main() -> std::process::ExitCode {
    repo_server::main()
}
