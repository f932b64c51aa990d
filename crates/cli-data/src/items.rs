//! What the server shows of its records, and lists of them.

use std::collections::VecDeque;

use repo_core::Result;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::client::Client;

/// Most items of a page that is asked for.
const PAGE: u64 = 500;

/// What is read of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) sha256: Option<String>,
    pub(crate) file_path: Option<String>,
}

impl Client {
    /// An entry.
    ///
    /// # Errors
    /// `NotFound`; those of the server.
    pub(crate) async fn entry(&self, id: &str) -> Result<Entry> {
        let url = self.url(&["entries", id])?;
        self.json("read an entry", self.request(Method::GET, url)).await
    }

    /// A list, which is read page by page.
    pub(crate) fn list(
        &self,
        operation: &'static str,
        what: &'static str,
        query: Vec<(&'static str, String)>,
    ) -> Items<'_> {
        let (items, cursor) = (VecDeque::new(), None);
        Items { client: self, operation, what, query, items, cursor, begun: false }
    }
}

/// The items of a list, one page of them in memory.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    client: &'a Client,
    operation: &'static str,
    what: &'static str,
    query: Vec<(&'static str, String)>,
    items: VecDeque<Json>,
    cursor: Option<String>,
    begun: bool,
}

#[derive(Debug, Deserialize)]
struct Page {
    items: VecDeque<Json>,
    next: Option<String>,
}

impl Items<'_> {
    /// The next item; `left` says how many are wanted.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn next(&mut self, left: u64) -> Result<Option<Json>> {
        while self.items.is_empty() {
            if self.begun && self.cursor.is_none() {
                return Ok(None);
            }
            self.read(left).await?;
        }
        Ok(self.items.pop_front())
    }

    async fn read(&mut self, left: u64) -> Result<()> {
        let mut url = self.client.url(&[self.what])?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("limit", &left.clamp(1, PAGE).to_string());
            for (name, value) in &self.query {
                pairs.append_pair(name, value);
            }
            if let Some(cursor) = &self.cursor {
                pairs.append_pair("cursor", cursor);
            }
        }
        let page: Page =
            self.client.json(self.operation, self.client.request(Method::GET, url)).await?;
        (self.items, self.cursor, self.begun) = (page.items, page.next, true);
        Ok(())
    }
}
