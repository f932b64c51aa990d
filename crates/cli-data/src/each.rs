//! The same request for one record after another.

use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;
use cli_output::output::Output;
use repo_core::Result;
use reqwest::RequestBuilder;
use serde_json::{Value as Json, json};

use crate::client::Client;

/// What is asked for each id, and how it is told.
pub(crate) struct Each<'a> {
    /// The operation of errors.
    pub(crate) operation: &'static str,
    /// The name of the list of what was done.
    pub(crate) done: &'static str,
    /// The request. It may be made again: what is as it asks stays so.
    pub(crate) request: &'a dyn Fn(&str) -> Result<RequestBuilder>,
    /// What is kept of an answer.
    pub(crate) keep: fn(Json) -> Json,
    /// What is kept, as a line for people.
    pub(crate) line: fn(&Json) -> String,
}

impl Each<'_> {
    /// Asks for each id, in their order; the first that is refused ends it. What was done before
    /// is told first.
    pub(crate) async fn run(
        &self,
        client: &Client,
        ids: &[String],
        output: Output,
    ) -> Outcome<Ending> {
        let mut done: Vec<Json> = Vec::new();
        for id in ids {
            match client.json::<Json>(self.operation, (self.request)(id)?).await {
                Ok(answer) => done.push((self.keep)(answer)),
                Err(error) => {
                    if !done.is_empty() {
                        output.note(&self.lines(&done));
                    }
                    return Err(error.with("id", id).into());
                }
            }
        }
        output.list(&json!({ (self.done): done }), &done, || self.lines(&done))?;
        Ok(Ending::Done)
    }

    fn lines(&self, done: &[Json]) -> String {
        done.iter().map(self.line).collect::<Vec<_>>().join("\n")
    }
}
