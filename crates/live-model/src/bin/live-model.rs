//! Checks the whole protocol within bounds given as words, and prints how much it saw.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use live_model::{Bounds, Fence, LiveModel, Setting, words};
use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};

const USAGE: &str = "usage: live-model lock|expiry WRITES CRASHES CANCELS FENCES LOST [copy]
  each number from 0 to 7: how often it may happen in one history";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match setting(&words) {
        Some(setting) => check(LiveModel { setting }),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn setting(words: &[String]) -> Option<Setting> {
    let (kind, rest) = words.split_first()?;
    let fence = match kind.as_str() {
        "lock" => Fence::Lock,
        "expiry" => Fence::Expiry,
        _ => return None,
    };
    let (numbers, copy) = match rest {
        [numbers @ .., last] if last == "copy" => (numbers, true),
        numbers => (numbers, false),
    };
    let numbers: Vec<u8> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
    let [writes, crashes, cancels, fences, lost] = numbers[..] else { return None };
    let bounds = Bounds { writes, crashes, cancels, fences, lost, copy };
    numbers.iter().all(|n| *n < 8).then_some(Setting { fence, bounds, without: None })
}

fn check(model: LiveModel) -> ExitCode {
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = model.checker().threads(threads).symmetry();
    let checker = options.finish_when(HasDiscoveries::AnyFailures).spawn_dfs();
    while !checker.is_done() {
        std::thread::sleep(Duration::from_millis(200));
        if started.elapsed().as_millis() % 30_000 < 200 {
            eprintln!("  {} states so far", checker.unique_state_count());
        }
    }
    let checker = checker.join();
    println!(
        "{:?} {:?}: {} states, {} steps, depth {}, {:.0} s{}",
        model.setting.fence,
        model.setting.bounds,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        started.elapsed().as_secs_f64(),
        most_memory(),
    );
    report(&model, &checker)
}

/// Prints what is broken, with its history, and what never came true.
fn report(model: &LiveModel, checker: &impl Checker<LiveModel>) -> ExitCode {
    let mut failed = false;
    let mut found = checker.discoveries();
    for property in model.properties() {
        let kind = checker.discovery_classification(property.name);
        let path = found.remove(property.name);
        match (kind, path) {
            (DiscoveryClassification::Counterexample, Some(path)) => {
                println!("BROKEN: {}\n{}", property.name, words(path));
                failed = true;
            }
            (DiscoveryClassification::Example, None) => {
                println!("NEVER: {}", property.name);
                failed = true;
            }
            _ => {}
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The most memory that the process had, where the system says so.
fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map(|size| format!(", at most {} of memory", size.trim())).unwrap_or_default()
}
