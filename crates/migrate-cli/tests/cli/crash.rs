//! `kill -9` during a stream of saves: every acknowledged save is there at
//! its version, no commit is there in part, and the store opens.
#![cfg(all(unix, feature = "json", feature = "sql", feature = "dynamodb"))]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::cli_support::Place;
use serde_json::{Value as Json, json};

const ROUNDS: u64 = 50;
/// Ids are taken again and again, so that versions rise.
const IDS: u64 = 400;

#[test]
fn acknowledged_saves_survive_in_json() {
    crash("json:data", false);
}

#[test]
fn acknowledged_saves_survive_in_sqlite() {
    crash("sqlite:data.db", false);
}

#[test]
fn acknowledged_saves_survive_in_json_while_another_process_checkpoints() {
    crash("json:data", true);
}

#[test]
fn acknowledged_saves_survive_in_sqlite_while_another_process_checkpoints() {
    crash("sqlite:data.db", true);
}

fn crash(store: &str, checkpoints: bool) {
    let place = Place::new();
    place.line(&format!("init --store {store}")).ok();
    let mut random = Random::new();
    println!("seed {}", random.0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looping = checkpoints.then(|| scope.spawn(|| checkpoint_loop(&place, store, &stop)));
        let mut known = BTreeMap::new();
        let (mut acknowledged, mut arrived) = (0, 0);
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..ROUNDS {
                let last = stream_and_kill(&place, store, round, &mut random, &mut known);
                acknowledged += u64::from(last.is_empty());
                arrived += u64::from(check(&place, store, &mut known, &last));
            }
        }));
        stop.store(true, Ordering::Relaxed);
        let runs = looping.map(|thread| thread.join().unwrap());
        if let Err(panic) = killed {
            std::panic::resume_unwind(panic);
        }
        println!("of {ROUNDS} last batches {acknowledged} were told, {arrived} only stored");
        assert!(known.len() > 100, "only {} ids were ever acknowledged", known.len());
        if let Some(runs) = runs {
            assert!(runs > ROUNDS / 5, "only {runs} checkpoints ran meanwhile");
        }
    });
    place.line(&format!("checkpoint --store {store}")).ok();
    check(&place, store, &mut BTreeMap::new(), &BTreeMap::new());
}

/// What was acknowledged: the version and the content under each id.
type Known = BTreeMap<String, (u64, String)>;

/// Streams batches, waits for their acknowledgements, and kills the process
/// at some moment after one more batch was sent. Returns that last batch,
/// which nobody acknowledged.
fn stream_and_kill(
    place: &Place,
    store: &str,
    round: u64,
    random: &mut Random,
    known: &mut Known,
) -> BTreeMap<String, String> {
    let size = random.below(8) + 1;
    let acknowledgements = random.below(20) + 2;
    let line = format!("import machines --store {store} --format ndjson --batch-size {size}");
    let mut child = place.start(&line);
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 0..acknowledgements {
        let batch = batch(random, size, &format!("{round}-{number}"));
        send(&mut input, &batch);
        let answer = answers.next().expect("an answer for each batch").unwrap();
        acknowledge(known, &batch, &answer);
    }
    let last = batch(random, size, &format!("{round}-last"));
    send(&mut input, &last);
    spin(Duration::from_micros(random.below(5_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    // An answer that came before the kill counts.
    match answers.next() {
        Some(Ok(answer)) if answer.ends_with('}') => {
            acknowledge(known, &last, &answer);
            BTreeMap::new()
        }
        _ => last,
    }
}

/// Distinct ids with their new content.
fn batch(random: &mut Random, size: u64, content: &str) -> BTreeMap<String, String> {
    let first = random.below(IDS);
    (0..size).map(|n| (format!("m-{}", (first + n) % IDS), content.to_owned())).collect()
}

fn send(input: &mut impl std::io::Write, batch: &BTreeMap<String, String>) {
    let lines: String = batch
        .iter()
        .map(|(id, content)| format!("{}\n", json!({"machine_id": id, "status": content})))
        .collect();
    input.write_all(lines.as_bytes()).unwrap();
    input.flush().unwrap();
}

fn acknowledge(known: &mut Known, batch: &BTreeMap<String, String>, answer: &str) {
    let event: Json = serde_json::from_str(answer).unwrap();
    assert_eq!(event["event"], "committed");
    let records = event["records"].as_array().unwrap();
    assert_eq!(records.len(), batch.len(), "{answer}");
    for record in records {
        let id = record["id"].as_str().unwrap();
        let version = record["version"].as_u64().unwrap();
        let before = known.insert(id.to_owned(), (version, batch[id].clone()));
        if let Some((before, _)) = before {
            assert!(version > before, "{id}: {version} after {before}");
        }
    }
}

/// Compares what is stored with what was acknowledged. The last batch may be
/// there as a whole or not at all; returns which.
fn check(place: &Place, store: &str, known: &mut Known, last: &BTreeMap<String, String>) -> bool {
    place.line(&format!("health --store {store}")).ok();
    let export = place.line(&format!("export machines --store {store} --format ndjson")).ok();
    let stored: Known = export
        .ndjson()
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("machine_id"), (line["_version"].as_u64().unwrap(), text("status")))
        })
        .collect();
    let arrived = last.iter().filter(|(id, new)| stored.get(*id).is_some_and(|(_, s)| s == *new));
    let arrived = arrived.count();
    assert!(arrived == 0 || arrived == last.len(), "{arrived} of {} arrived", last.len());
    for (id, (version, content)) in known.iter_mut() {
        let (stored_version, stored_content) = stored.get(id).expect("an acknowledged save");
        if arrived > 0 && last.contains_key(id) {
            assert_eq!(*stored_version, *version + 1, "{id}");
            (*version, *content) = (*stored_version, stored_content.clone());
        } else {
            assert_eq!((stored_version, stored_content), (&*version, &*content), "{id}");
        }
    }
    arrived > 0
}

/// Checkpoints until told to stop. A checkpoint may find the store busy, never
/// broken.
fn checkpoint_loop(place: &Place, store: &str, stop: &AtomicBool) -> u64 {
    let mut runs = 0;
    while !stop.load(Ordering::Relaxed) {
        let run = place.line(&format!("checkpoint --store {store}"));
        match run.code {
            Some(0) => runs += 1,
            Some(5) => {}
            _ => panic!("{run:#?}"),
        }
    }
    runs
}

/// Waits without giving up the processor: a sleep is far longer than a write.
fn spin(duration: Duration) {
    let start = Instant::now();
    while start.elapsed() < duration {
        std::hint::spin_loop();
    }
}

/// xorshift64: the moments need not be good random numbers, only different.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self(u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id()) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
