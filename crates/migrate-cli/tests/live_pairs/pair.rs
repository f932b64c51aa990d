//! The move of one pair.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use repo_testkit::Process;

use crate::check::Outcome;
use crate::cli_support::{Place, Run, postgres_variables};
use crate::cutter::Cutter;
use crate::logs::Logs;
use crate::older;
use crate::operator::Operator;
use crate::watcher::NAME;

/// A switch whose process lives is shorter.
const MAX_PAUSE_MS: u64 = 5_000;

struct Pair {
    place: Place,
    source: String,
    target: String,
}

pub(crate) fn move_there_and_back(source: &str, target: &str) {
    let mut place = Place::new();
    place.postgres();
    let cutters = if number("REPO_LIVE_CUT", 0) > 0 { cut(&mut place) } else { Vec::new() };
    let pair = Pair { source: url(source, "here"), target: url(target, "there"), place };
    std::fs::create_dir(pair.place.path("logs")).unwrap();
    let logs = Logs::new(pair.place.path("logs"));
    let older = older::start(&pair.place, &pair.source);
    pair.place.line(&format!("init items --store {}", pair.source)).ok();
    pair.place.line(&format!("history on items --store {}", pair.source)).ok();
    pair.place.line(&format!("changes subscribe {NAME} --store {}", pair.source)).ok();
    let mut writers = Writers::start(&pair);
    while logs.lines().len() < 100 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _idle = [source, target].contains(&"postgresql").then(|| pair.idle_transaction());
    let mut watcher = Watcher { pair: &pair, running: pair.watcher() };
    let mut operator = Operator::start(&pair.place, &pair.source, &pair.target);
    cutters.iter().for_each(|cutter| cutter.set_cutting(true));
    keep_moving(&mut operator, &mut writers, &mut watcher);
    cutters.iter().for_each(|cutter| cutter.set_cutting(false));
    let killed = writers.end();
    let by_older = older::end(older, &pair.place);
    let operator = operator.finish();
    pair.until_all_is_seen();
    watcher.end();
    if !by_older.is_empty() {
        println!("  {} writes of the program of the layout before", by_older.len());
    }
    let outcome = Outcome::of(logs.lines().into_iter().chain(by_older), &pair.read());
    report(source, target, &operator, &outcome, killed);
    if !cutters.is_empty() {
        println!("  cut connections: {}", cutters.iter().map(Cutter::cuts).sum::<usize>());
    }
    let Outcome { lost, doubled, diverged, stale, unkept, unseen, .. } = outcome;
    assert_eq!((lost, doubled, diverged, stale), (0, 0, 0, 0), "{outcome:?}");
    assert_eq!((unkept, unseen), (0, 0), "{outcome:?}");
    assert!(
        outcome.acknowledged > 0 && (outcome.refused == 0 || !cutters.is_empty()),
        "{outcome:?}"
    );
}

/// Moves to the other store and back, while processes are killed, until the time is over.
fn keep_moving(operator: &mut Operator<'_>, writers: &mut Writers<'_>, watcher: &mut Watcher<'_>) {
    let begun = Instant::now();
    let time = Duration::from_secs(number("REPO_TESTKIT_SECONDS", 8));
    let kills = number("REPO_LIVE_KILL", 1) > 0;
    while begun.elapsed() < time || operator.pauses.len() < 2 {
        for _ in 0..fastrand::usize(1..4) {
            std::thread::sleep(Duration::from_millis(fastrand::u64(100..800)));
            if kills {
                writers.kill_one();
            }
        }
        if kills && fastrand::u8(..3) == 0 {
            operator.kill_mover();
        }
        if kills && fastrand::u8(..3) == 0 {
            watcher.kill();
        }
        let disturbed = kills && fastrand::u8(..3) == 0 && operator.pauses.len() >= 2;
        operator.switch(disturbed.then(|| Duration::from_millis(fastrand::u64(50..2_500))));
    }
}

/// The processes that write.
struct Writers<'a> {
    pair: &'a Pair,
    running: Vec<Process>,
    killed: usize,
}

impl<'a> Writers<'a> {
    fn start(pair: &'a Pair) -> Self {
        let running = (0..number("REPO_LIVE_WRITERS", 4)).map(|_| pair.writer()).collect();
        Self { pair, running, killed: 0 }
    }

    /// Kills one of them, in the middle of whatever it does, and starts another one.
    fn kill_one(&mut self) {
        let one = fastrand::usize(..self.running.len());
        let mut killed = std::mem::replace(&mut self.running[one], self.pair.writer());
        killed.still_runs();
        killed.kill();
        self.killed += 1;
    }

    /// Ends all of them; how many were killed before.
    fn end(mut self) -> usize {
        self.running.iter_mut().for_each(|writer| {
            writer.still_runs();
            writer.kill();
        });
        self.killed
    }
}

/// The process that follows the changes.
struct Watcher<'a> {
    pair: &'a Pair,
    running: Process,
}

impl Watcher<'_> {
    /// Kills it, and starts another one.
    fn kill(&mut self) {
        self.running.still_runs();
        self.running.kill();
        self.running = self.pair.watcher();
    }

    fn end(mut self) {
        self.running.still_runs();
        self.running.kill();
    }
}

/// Puts a proxy that cuts connections before each server.
fn cut(place: &mut Place) -> Vec<Cutter> {
    let [(_, host), (_, port), ..] = postgres_variables(place.postgres());
    let postgres = Cutter::before(format!("{host}:{port}"));
    let url = repo_testkit::servers::dynamodb();
    let dynamodb = Cutter::before(url.trim_start_matches("http://").to_owned());
    place.variables.extend([
        ("PGHOST", postgres.address.ip().to_string()),
        ("PGPORT", postgres.address.port().to_string()),
        ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.address)),
    ]);
    vec![postgres, dynamodb]
}

/// Prints the line of a pair.
fn report(source: &str, target: &str, operator: &Operator<'_>, outcome: &Outcome, killed: usize) {
    let mut pauses = operator.pauses.clone();
    pauses.sort_unstable();
    let at = |hundredth: usize| pauses[(pauses.len() - 1) * hundredth / 100];
    println!(
        "pair={source}:{target} acknowledged={} lost={} doubled={} diverged={} stale={} \
         unkept={} unseen={} seen={} unknown={} refused={} pause_ms={}/{}/{} switches={} held_ms={} killed_writers={killed} \
         killed_movers={} killed_switches={}",
        outcome.acknowledged,
        outcome.lost,
        outcome.doubled,
        outcome.diverged,
        outcome.stale,
        outcome.unkept,
        outcome.unseen,
        outcome.seen,
        outcome.unknown,
        outcome.refused,
        at(50),
        at(99),
        at(100),
        pauses.len(),
        outcome.held_ms,
        operator.killed_movers,
        operator.killed_switches,
    );
    assert!(at(100) < MAX_PAUSE_MS, "{pauses:?}");
}

/// The store of a kind, by a name of its own in the place.
fn url(kind: &str, name: &str) -> String {
    match kind {
        "json" => format!("json:{name}"),
        "sqlite" => format!("sqlite:{name}.db"),
        "postgresql" => format!("postgresql:///?schema={name}"),
        "dynamodb" => format!("dynamodb:{name}"),
        other => panic!("no kind {other}"),
    }
}

/// What a variable says, or else a number that is good for a short run.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

impl Pair {
    /// A process of this program that works on the stores.
    fn process(&self, part: &str, source: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        self.place.at_home(&mut command);
        command
            .args(["--ignored", "--exact", "--nocapture", "process"])
            .env("LIVE_PAIRS_PART", part)
            .env("LIVE_PAIRS_SOURCE", source)
            .env("LIVE_PAIRS_TARGET", &self.target)
            .env("LIVE_PAIRS_LOGS", self.place.path("logs"));
        command
    }

    /// A transaction that sees one state of the server all the time.
    fn idle_transaction(&self) -> Process {
        let mut psql = Command::new("psql");
        self.place.at_home(&mut psql);
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class; \
                     SELECT pg_sleep(86400)";
        Process::start(psql.args(["-Xq", "-c", begin]).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn writer(&self) -> Process {
        Process::start(self.process("writer", &self.source).stdout(Stdio::null()))
    }

    fn watcher(&self) -> Process {
        Process::start(self.process("watcher", &self.source).stdout(Stdio::null()))
    }

    /// Waits until the consumer has come to the end of the feed of the target.
    fn until_all_is_seen(&self) {
        let begun = Instant::now();
        loop {
            let line = format!("changes list --store {} --format json", self.target);
            let found = self.place.line(&line).ok().json();
            if found["consumers"][0]["at_head"] == true {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the target holds in the end.
    fn read(&self) -> String {
        Run::of(&mut self.process("reader", &self.target)).ok().stdout
    }
}
