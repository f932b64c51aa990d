//! Every order in which the steps of several parties can be done. A step is one call of the
//! store; between two of them anybody may go on, and a party may be killed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use repo_core::strategy::OpenOptions;
use repo_core::{Error, MemoryStrategy};
use repo_layers::{Inner, Layer, Operation};

use crate::words::{enforcing, schemas};

/// What somebody does, to be gone on with a step at a time.
pub(crate) type Party = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

/// A store in which each call is a step.
#[derive(Debug)]
struct Stepwise;

impl Layer for Stepwise {
    async fn call<O: Operation>(&self, inner: &Inner, operation: O) -> Result<O::Output, Error> {
        let mut waited = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        operation.run(&**inner).await
    }
}

/// Where the parties meet.
pub(crate) struct Meeting {
    /// For those who look, and take no step.
    pub(crate) raw: Inner,
    /// The same store, stepwise.
    pub(crate) steps: Inner,
    /// Stepwise, through the layer.
    pub(crate) store: Inner,
}

impl Meeting {
    fn new() -> Self {
        let raw: Inner = Arc::new(MemoryStrategy::new(OpenOptions::default()));
        block_on(enforcing(raw.clone()).prepare(&schemas())).unwrap();
        let steps = Stepwise.around(raw.clone());
        Self { store: enforcing(steps.clone()), steps, raw }
    }
}

/// What became of a party.
#[derive(Debug)]
pub(crate) enum Fate {
    Done(Result<(), Error>),
    Killed,
}

/// One order: which of the possible things was done next, and of how many.
type Trail = Vec<(usize, usize)>;

/// Goes through every order of the steps of the parties that `begin` makes, in which at most
/// `most_kills` of them are killed. `always` is asked after each step, `at_the_end` when all
/// have ended. How many orders there were.
pub(crate) fn explore(
    most_kills: usize,
    begin: impl Fn(&Meeting) -> Vec<Party>,
    always: impl Fn(&Meeting, &str),
    at_the_end: impl Fn(&Meeting, &[Fate], &str),
) -> usize {
    let (mut orders, mut trail) = (0, Trail::new());
    loop {
        let meeting = Meeting::new();
        let parties = begin(&meeting);
        let fates = run(&meeting, parties, most_kills, &mut trail, &always);
        at_the_end(&meeting, &fates, &format!("{trail:?}"));
        orders += 1;
        if !advance(&mut trail) {
            return orders;
        }
    }
}

/// The next order that differs as late as can be; `false` after the last one.
fn advance(trail: &mut Trail) -> bool {
    while let Some((choice, options)) = trail.pop() {
        if choice + 1 < options {
            trail.push((choice + 1, options));
            return true;
        }
    }
    false
}

/// Does the steps in the order of the trail, and further ones as they come, which it adds.
fn run(
    meeting: &Meeting,
    mut parties: Vec<Party>,
    most_kills: usize,
    trail: &mut Trail,
    always: &impl Fn(&Meeting, &str),
) -> Vec<Fate> {
    let mut fates: Vec<Option<Fate>> = parties.iter().map(|_| None).collect();
    // Up to the first step, which is yet to be done.
    for (party, fate) in parties.iter_mut().zip(&mut fates) {
        *fate = step(party);
    }
    let (mut kills, mut at) = (0, 0);
    loop {
        let alive: Vec<usize> = (0..fates.len()).filter(|who| fates[*who].is_none()).collect();
        if alive.is_empty() {
            return fates.into_iter().flatten().collect();
        }
        let options = if kills < most_kills { 2 * alive.len() } else { alive.len() };
        if at == trail.len() {
            trail.push((0, options));
        }
        let (choice, known) = trail[at];
        assert_eq!(known, options, "the same steps have to lead to the same choices");
        at += 1;
        let who = alive[choice % alive.len()];
        if choice < alive.len() {
            fates[who] = step(&mut parties[who]);
        } else {
            parties[who] = Box::pin(std::future::pending());
            fates[who] = Some(Fate::Killed);
            kills += 1;
        }
        always(meeting, &format!("{:?}", &trail[..at]));
    }
}

fn step(party: &mut Party) -> Option<Fate> {
    match party.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(Fate::Done(done)),
        Poll::Pending => None,
    }
}
