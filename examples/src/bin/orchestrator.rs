//! A small orchestrator that keeps its state through the repository engine.
//!
//! It knows no store. Which one it uses stands in the configuration:
//!
//! ```text
//! cargo run --bin orchestrator -- repository.json
//! REPO_STORAGE__STRATEGY=sqlite cargo run --bin orchestrator -- repository.json
//! REPO_STORAGE__STRATEGY=memory cargo run --bin orchestrator -- repository.json
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;

use futures::TryStreamExt as _;
use repo_core::strategy::StorageStrategy;
use repo_core::{
    Document, EntityId, Filter, Key, Model, Query, Repository, Result, RetryPolicy,
    StoreRepository, transaction,
};
use repo_engine::config::{Config, ConfigSources};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Request {
    request_id: String,
    template_id: String,
    status: String,
    machine_count: usize,
    machine_ids: Vec<String>,
}

impl Model for Request {
    const COLLECTION: &'static str = "requests";
    fn id(&self) -> &str {
        &self.request_id
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Machine {
    machine_id: String,
    request_id: String,
    template_id: String,
    status: String,
}

impl Model for Machine {
    const COLLECTION: &'static str = "machines";
    fn id(&self) -> &str {
        &self.machine_id
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "repository.json".to_owned());
    let strategy = open(file).await?;
    let requests = StoreRepository::<Request>::new(Arc::clone(&strategy))?;
    let machines = StoreRepository::<Machine>::new(Arc::clone(&strategy))?;

    let number = requests.count(&Filter::default(), repo_core::Consistency::Strong).await? + 1;
    let request = Request {
        request_id: format!("example-req-{number:04}"),
        template_id: "small-ondemand".to_owned(),
        status: "pending".to_owned(),
        machine_count: 3,
        machine_ids: Vec::new(),
    };
    let version = requests.create(&request).await?;
    println!("created {} at version {version}", request.request_id);

    fulfil(&strategy, &request).await?;
    let id = EntityId::new(&request.request_id)?;
    if let Some(stored) = requests.find_by_id(&id).await? {
        println!("{} is {} at version {}", id, stored.value.status, stored.version);
    }

    match requests.update_version(&request, version).await {
        Err(error) => println!("an update of the old version: {}", error.kind()),
        Ok(version) => println!("the old version was overwritten by version {version}"),
    }

    let mine = Filter::parse(&format!(r#"{{"request_id": "{id}", "status": {{"$ne": "x"}}}}"#))?;
    let query = Query::new(mine).order_by("machine_id")?.strong();
    let found: Vec<_> = machines.find_by_criteria(query).try_collect().await?;
    for machine in &found {
        println!("{} is {}", machine.id, machine.value.status);
    }
    strategy.close().await
}

/// Opens whatever store the configuration names, and makes what it lacks.
async fn open(file: String) -> Result<Arc<dyn StorageStrategy>> {
    let sources = ConfigSources {
        file: Some(file.into()),
        environment: std::env::vars().collect(),
        overrides: Vec::new(),
    };
    Config::load(&sources, &repo_engine::registry(), &[])?.open().await
}

/// Adds the machines and completes the request, all in one transaction.
async fn fulfil(strategy: &Arc<dyn StorageStrategy>, request: &Request) -> Result<()> {
    let key = Key::new(Request::COLLECTION.parse()?, request.request_id.parse()?);
    transaction(strategy, RetryPolicy::default(), async |tx| {
        let Some(document) = tx.get(&key).await? else { return Ok(()) };
        let mut request: Request = document.deserialize()?;
        for number in 1..=request.machine_count {
            let machine = Machine {
                machine_id: format!("{}-m{number}", request.request_id),
                request_id: request.request_id.clone(),
                template_id: request.template_id.clone(),
                status: "running".to_owned(),
            };
            let key = Key::new(Machine::COLLECTION.parse()?, machine.machine_id.parse()?);
            tx.create(key, Document::from_serialize(&machine)?).await?;
            request.machine_ids.push(machine.machine_id);
        }
        request.status = "complete".to_owned();
        tx.save(key.clone(), Document::from_serialize(&request)?);
        Ok(())
    })
    .await
}
