//! Digests of files.

use std::path::Path;

use cli_output::failure::unreadable;
use cli_output::transfer::Transfer;
use repo_core::Result;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// The size of an open file from its beginning on, and its SHA-256 in hexadecimal digits.
///
/// # Errors
/// Those of the file.
pub(crate) async fn of_file(
    operation: &'static str,
    path: &Path,
    file: &mut File,
    progress: &mut Transfer,
) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let (mut block, mut size) = (vec![0; BLOCK], 0);
    loop {
        let read = file.read(&mut block).await;
        let read = read.map_err(|source| unreadable(operation, path, source))?;
        let Some(bytes) = block.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        size += read as u64;
        progress.advance(read as u64);
    }
    Ok((size, hex(&hash.finalize())))
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
