//! Eight workers that share a thousand machines among forty requests.
//!
//! Each step is a transaction over a machine and the requests that have it and get it. In the
//! end every machine is there, and is in the request that it names, once. The program knows
//! nothing of stores that move: `storage.routes` in its configuration names where to.
//!
//! ```text
//! cargo run --bin fleet -- repository.json 10
//! ```
//!
//! It ends after so many seconds, or when it is interrupted.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use repo_engine::{Error, ErrorKind, Filter, Model, Result, Store};
use serde::{Deserialize, Serialize};

const WORKERS: usize = 8;
const MACHINES: usize = 1_000;
const REQUESTS: usize = 40;

#[derive(Debug, Clone, Serialize, Deserialize, Model)]
#[model(collection = "requests", id = "request_id")]
struct Request {
    request_id: String,
    template_id: String,
    status: String,
    machine_ids: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Model)]
#[model(collection = "machines", id = "machine_id")]
struct Machine {
    machine_id: String,
    template_id: String,
    status: String,
    request_id: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "repository.json".to_owned());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let store = Store::from_config(file).await?;
    provision(&store).await?;
    println!("{MACHINES} machines are there");
    let ended = AtomicBool::new(false);
    let time = async {
        // Interrupted: in the middle of nothing, since each worker ends what it does.
        let _ = tokio::time::timeout(Duration::from_secs(seconds), tokio::signal::ctrl_c()).await;
        ended.store(true, Ordering::Relaxed);
        Ok(0)
    };
    let workers = try_join_all((0..WORKERS).map(|worker| work(&store, worker, &ended)));
    let (done, _) = futures::future::try_join(workers, time).await?;
    check(&store).await?;
    println!("{} transactions, no machine lost, none twice", done.iter().sum::<usize>());
    store.close().await
}

/// Makes the machines, a hundred at a time, and the requests.
async fn provision(store: &Store) -> Result<()> {
    for first in (0..MACHINES).step_by(100) {
        store
            .transaction(async |tx| {
                for number in first..first + 100 {
                    tx.save(&Machine {
                        machine_id: machine_id(number),
                        template_id: "small".to_owned(),
                        status: "idle".to_owned(),
                        request_id: None,
                    })?;
                }
                Ok(())
            })
            .await?;
    }
    let request = |number| Request {
        request_id: request_id(number),
        template_id: "small".to_owned(),
        status: "running".to_owned(),
        machine_ids: Vec::new(),
    };
    let requests: Vec<Request> = (0..REQUESTS).map(request).collect();
    store.transaction(async |tx| requests.iter().try_for_each(|request| tx.save(request))).await
}

fn machine_id(number: usize) -> String {
    format!("m-{number:04}")
}

fn request_id(number: usize) -> String {
    format!("r-{number:02}")
}

/// Gives one machine after the other to a request, or takes it back; how often.
async fn work(store: &Store, worker: usize, ended: &AtomicBool) -> Result<usize> {
    let mut done = 0;
    while !ended.load(Ordering::Relaxed) {
        // Another order for each worker, so that they meet now and then.
        let step = done * 7 + worker * 131;
        let to = (!step.is_multiple_of(3)).then(|| request_id((step / 3) % REQUESTS));
        hand_over(store, &machine_id(step * 37 % MACHINES), to).await?;
        done += 1;
    }
    Ok(done)
}

async fn hand_over(store: &Store, machine: &str, to: Option<String>) -> Result<()> {
    store
        .transaction(async |tx| {
            let found = tx.get::<Machine>(machine).await?;
            if found.value.request_id == to {
                return Ok(());
            }
            if let Some(from) = &found.value.request_id {
                let request = tx.get::<Request>(from).await?;
                tx.update(&request.changed(|r| r.machine_ids.retain(|id| id != machine))).await?;
            }
            if let Some(to) = &to {
                let request = tx.get::<Request>(to).await?;
                tx.update(&request.changed(|r| r.machine_ids.push(machine.to_owned()))).await?;
            }
            let to = to.clone();
            let change = |m: &mut Machine| {
                m.status = if to.is_some() { "running" } else { "idle" }.to_owned();
                m.request_id = to;
            };
            tx.update(&found.changed(change)).await
        })
        .await
}

/// Every machine is in the request that it names, once, and in no other one.
async fn check(store: &Store) -> Result<()> {
    let requests = store.repository::<Request>()?;
    let requests = requests.query(Filter::default()).strong().try_collect().await?;
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for request in &requests {
        for machine in &request.value.machine_ids {
            if owners.insert(machine, &request.value.request_id).is_some() {
                return Err(broken("a machine is in two requests, or twice in one", machine));
            }
        }
    }
    let machines = store.repository::<Machine>()?;
    let machines = machines.query(Filter::default()).strong().try_collect().await?;
    for machine in &machines {
        let id = machine.value.machine_id.as_str();
        if owners.get(id).copied() != machine.value.request_id.as_deref() {
            return Err(broken("a machine is not in the request that it names", id));
        }
    }
    if machines.len() != MACHINES {
        return Err(broken("machines are missing", &machines.len().to_string()));
    }
    Ok(())
}

fn broken(why: &str, what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, "check the fleet", why.to_owned()).with("found", what)
}
