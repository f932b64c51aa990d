//! `repo-server`: the data service.

use mimalloc::MiMalloc;

/// A request is a few hundred small allocations on one thread and their ends on another; see
/// docs/decisions/0237-the-allocator-of-the-server.md.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    repo_server::main()
}
