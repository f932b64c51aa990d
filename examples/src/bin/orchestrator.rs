//! A small orchestrator that keeps its state through the repository engine.
//!
//! It knows no store: the configuration names the one it uses.
//!
//! ```text
//! cargo run --bin orchestrator -- repository.json
//! REPO_STORAGE__STRATEGY=sqlite cargo run --bin orchestrator -- repository.json
//! REPO_STORAGE__STRATEGY=memory cargo run --bin orchestrator -- repository.json req-1
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use repo_engine::{Direction, Model, Repository, Result, Store, field};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Model)]
#[model(collection = "requests", id = "request_id")]
struct Request {
    request_id: String,
    template_id: String,
    status: String,
    machine_count: usize,
    machine_ids: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Model)]
#[model(collection = "machines", id = "machine_id")]
struct Machine {
    machine_id: String,
    request_id: String,
    template_id: String,
    status: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "repository.json".to_owned());
    let id = arguments.next().unwrap_or_else(new_id);
    // The collections are those of the configuration, with the operators' indexes.
    let store = Store::from_config(file).await?;
    let requests = store.repository::<Request>()?;
    let machines = store.repository::<Machine>()?;

    let request = Request {
        request_id: id,
        template_id: "small-ondemand".to_owned(),
        status: "pending".to_owned(),
        machine_count: 3,
        machine_ids: Vec::new(),
    };
    let version = requests.create(&request).await?;
    println!("created {} at version {version}", request.request_id);

    fulfil(&store, &request.request_id).await?;
    if let Some(stored) = requests.get(&request.request_id).await? {
        println!("{} is {} at version {}", stored.id, stored.value.status, stored.version);
    }

    match requests.update_version(&request, version).await {
        Err(error) => println!("an update of the old version: {}", error.kind()),
        Ok(version) => println!("the old version was overwritten by version {version}"),
    }

    let mine = field("request_id").eq(&request.request_id).and(field("status").ne("stopped"));
    let found = machines
        .query(mine)
        .order_by("machine_id", Direction::Ascending)
        .strong()
        .try_collect()
        .await?;
    for machine in &found {
        println!("{} is {}", machine.id, machine.value.status);
    }
    store.close().await
}

/// An id that another process does not choose at the same time. If it did, `create`
/// would refuse the second one. A number counted in the store would be given twice.
fn new_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |since| since.as_nanos());
    format!("example-req-{nanos:x}-{:x}", std::process::id())
}

/// Adds the machines and completes the request, all in one transaction.
async fn fulfil(store: &Store, id: &str) -> Result<()> {
    store
        .transaction(async |tx| {
            let mut request = tx.get::<Request>(id).await?;
            for number in 1..=request.value.machine_count {
                let machine = Machine {
                    machine_id: format!("{id}-m{number}"),
                    request_id: id.to_owned(),
                    template_id: request.value.template_id.clone(),
                    status: "running".to_owned(),
                };
                tx.create(&machine).await?;
                request.value.machine_ids.push(machine.machine_id);
            }
            tx.update(&request.changed(|r| r.status = "complete".to_owned())).await
        })
        .await
}
