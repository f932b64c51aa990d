//! Updates machines at a steady rate, and prints how long that took.
//!
//! ```text
//! cargo run --bin steady -- repository.json 200 60
//! ```
//!
//! 200 updates a second for 60 seconds, or until it is interrupted, of the machines that are
//! there. While the store moves,
//! the longest update says how long the program was held up.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::time::{Duration, Instant};

use repo_engine::{Filter, Model, Result, Store};
use serde::{Deserialize, Serialize};

/// Most machines that are updated in turn.
const MACHINES: usize = 10_000;

#[derive(Debug, Clone, Serialize, Deserialize, Model)]
#[model(collection = "machines", id = "machine_id")]
struct Machine {
    machine_id: String,
    status: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "repository.json".to_owned());
    let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok());
    let (rate, seconds) = (number().unwrap_or(100).max(1), number().unwrap_or(60));
    let store = Store::from_config(file).await?;
    let machines = store.repository::<Machine>()?;
    let found = machines.query(Filter::default()).limit(MACHINES).try_collect().await?;
    let ids: Vec<String> = found.into_iter().map(|machine| machine.value.machine_id).collect();
    println!("updating {} machines", ids.len());

    let mut waits: Vec<Duration> = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1) / rate);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    for id in ids.iter().cycle() {
        tokio::select! {
            _ = beat.tick() => {}
            _ = &mut interrupted => break,
        }
        if Instant::now() >= until {
            break;
        }
        let begun = Instant::now();
        store
            .transaction(async |tx| {
                let machine = tx.get::<Machine>(id).await?;
                let status = if machine.value.status == "running" { "stopped" } else { "running" };
                tx.update(&machine.changed(|m| status.clone_into(&mut m.status))).await
            })
            .await?;
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    let at = |hundredth: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * hundredth / 100);
        wait.map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
    };
    let (p50, p99, longest) = (at(50), at(99), at(100));
    println!("{} updates, in ms: p50 {p50:.1}, p99 {p99:.1}, longest {longest:.1}", waits.len());
    store.close().await
}
