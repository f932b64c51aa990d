//! The first page of `repo-engine` as a program. Another store is another URL:
//!
//! ```text
//! cargo run --bin first_page -- sqlite:/tmp/first.db
//! cargo run --bin first_page -- json:/tmp/first
//! cargo run --bin first_page -- postgresql://user@localhost/name
//! cargo run --bin first_page -- dynamodb:first
//! cargo run --bin first_page -- memory:
//! ```
#![allow(clippy::print_stdout, reason = "a program for people")]

use repo_engine::{Direction, Model, Repository, Result, Schemas, Store, field};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Running,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Model)]
#[model(collection = "machines", id = "machine_id", index("status", "created_at"))]
struct Machine {
    machine_id: String,
    status: Status,
    created_at: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let schemas = Schemas::default().with::<Machine>()?;
    let store = Store::open(url).schemas(schemas).await?;
    let machines = store.repository::<Machine>()?;

    for hour in 1..=3 {
        let machine = Machine {
            machine_id: format!("m-{hour}"),
            status: Status::Running,
            created_at: format!("2026-03-01T0{hour}:00:00Z"),
        };
        let version = machines.create(&machine).await?;
        println!("created {} at version {version}", machine.machine_id);
    }

    store
        .transaction(async |tx| {
            let machine = tx.get::<Machine>("m-1").await?;
            tx.update(&machine.changed(|m| m.status = Status::Stopped)).await
        })
        .await?;

    let running = machines
        .query(field("status").eq(Status::Running))
        .order_by("created_at", Direction::Descending)
        .limit(10)
        .strong()
        .try_collect()
        .await?;
    for machine in &running {
        println!("{} is running since {}", machine.id, machine.value.created_at);
    }

    if let Some(read) = machines.get("m-2").await? {
        let stopped = read.clone().changed(|m| m.status = Status::Stopped);
        println!("m-2 is stopped at version {}", machines.update(&stopped).await?);
        let late = machines.update(&read.changed(|m| m.created_at.clear())).await;
        println!("an update of the old version: {:?}", late.map_err(|error| error.kind()));
    }
    store.close().await
}
