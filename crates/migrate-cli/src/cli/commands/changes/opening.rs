//! What the commands on consumers start from.

use std::sync::Arc;

use cli_output::failure::usage;
use repo_core::Result;
use repo_feed::{ConsumerName, Consumers};

use crate::cli::context::{Access, Context, Opened};

/// The store of this command and its consumers.
pub(super) async fn open(context: &Context) -> Result<(Opened, Consumers)> {
    let opened = context.open(Access::Write).await?;
    let consumers = Consumers::new(Arc::clone(&opened.store));
    Ok((opened, consumers))
}

/// Reads the name of a consumer that somebody typed.
pub(super) fn consumer(text: &str) -> Result<ConsumerName> {
    ConsumerName::new(text).map_err(usage)
}
