//! DynamoDB by the AWS SDK alone, in tables that ours made.

use std::collections::HashMap;
use std::hint::black_box;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_types::SdkConfig;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use repo_core::Result;

use crate::errors;
use crate::measure::{Timed, timed};

/// An item as ours stores it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Most items of one `BatchWriteItem` (Amazon DynamoDB API Reference).
const BATCH: usize = 25;

/// How often the SDK sends a request at most.
const ATTEMPTS: u32 = 20;

/// A client and one table.
pub(crate) struct Raw {
    client: Client,
    table: String,
}

impl Raw {
    /// A client that tries refused requests again, as ours does: DynamoDB Local
    /// refuses some when its own locks take long.
    pub(crate) fn new(config: &SdkConfig, table: String) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(config)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .build();
        Self { client: Client::from_conf(config), table }
    }

    /// A conditional `PutItem` for each item, the call that ours makes, `at_once`
    /// at a time.
    pub(crate) async fn load(&self, items: Vec<Item>, at_once: usize) -> Result<Timed> {
        timed(items.len(), async {
            stream::iter(items.into_iter().map(|item| self.put(item)))
                .buffer_unordered(at_once)
                .try_collect()
                .await
        })
        .await
    }

    async fn put(&self, item: Item) -> Result<()> {
        let version = item.get("_version").cloned();
        let version = version.unwrap_or_else(|| AttributeValue::N("1".to_owned()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#v) OR #v < :v")
            .expression_attribute_names("#v", "_version")
            .expression_attribute_values(":v", version)
            .send()
            .await
            .map(drop)
            .map_err(errors::raw("put an item"))
    }

    /// `BatchWriteItem` of 25 items, `at_once` at a time: without any condition,
    /// so it does less than ours does.
    pub(crate) async fn load_in_batches(&self, items: Vec<Item>, at_once: usize) -> Result<Timed> {
        let batches: Vec<Vec<Item>> = items.chunks(BATCH).map(<[Item]>::to_vec).collect();
        timed(items.len(), async {
            stream::iter(batches.into_iter().map(|batch| self.put_batch(batch)))
                .buffer_unordered(at_once)
                .try_collect()
                .await
        })
        .await
    }

    async fn put_batch(&self, items: Vec<Item>) -> Result<()> {
        let failed = errors::raw("put items");
        let puts = items
            .into_iter()
            .map(|item| PutRequest::builder().set_item(Some(item)).build())
            .map(|put| put.map(|put| WriteRequest::builder().put_request(put).build()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(errors::raw("put items"))?;
        let mut left = HashMap::from([(self.table.clone(), puts)]);
        while !left.is_empty() {
            let request = self.client.batch_write_item().set_request_items(Some(left));
            let answer = request.send().await.map_err(&failed)?;
            left = answer.unprocessed_items.unwrap_or_default();
        }
        Ok(())
    }

    /// All items, `page` at a time.
    pub(crate) async fn scan(&self, page: i32, expected: usize) -> Result<Timed> {
        timed(expected, async {
            let mut found = 0;
            self.pages(page, |items| found += black_box(items).len()).await?;
            errors::expect("scan", expected, found)
        })
        .await
    }

    /// All items.
    pub(crate) async fn items(&self) -> Result<Vec<Item>> {
        let mut found = Vec::new();
        self.pages(1_000, |items| found.extend(items)).await?;
        Ok(found)
    }

    async fn pages(&self, page: i32, mut each: impl FnMut(Vec<Item>)) -> Result<()> {
        let failed = errors::raw("scan");
        let mut start = None;
        loop {
            let request = self.client.scan().table_name(&self.table).limit(page);
            let answer = request.set_exclusive_start_key(start).send().await.map_err(&failed)?;
            each(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes a table.
    pub(crate) async fn drop_table(&self, table: &str) -> Result<()> {
        let request = self.client.delete_table().table_name(table);
        request.send().await.map(drop).map_err(errors::raw("remove a table"))
    }
}
