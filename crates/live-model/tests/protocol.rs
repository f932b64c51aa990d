//! The whole protocol: every history within the bounds keeps every invariant, and
//! everything that has to be possible happens in one of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use live_model::{Bounds, Fence, LiveModel, Setting};
use stateright::{Checker, Model};

const NOTHING: Bounds =
    Bounds { writes: 0, crashes: 0, cancels: 0, fences: 0, lost: 0, copy: false };

fn holds(fence: Fence, bounds: Bounds, at_least: usize) {
    let model = LiveModel { setting: Setting { fence, bounds, without: None } };
    let checker = model.checker().threads(2).symmetry().spawn_dfs().join();
    let states = checker.unique_state_count();
    println!("{fence:?} {bounds:?}: {states} states, {} steps", checker.state_count());
    checker.assert_properties();
    assert!(states >= at_least, "{states} states: the model has lost steps");
}

#[test]
fn two_writes_are_switched_and_back() {
    holds(Fence::Lock, Bounds { writes: 2, fences: 2, ..NOTHING }, 1_000_000);
}

#[test]
fn a_crash_a_cancel_a_lost_answer_and_a_copy_in_one_history() {
    let bounds = Bounds { writes: 1, crashes: 1, cancels: 1, fences: 2, lost: 1, copy: true };
    holds(Fence::Lock, bounds, 1_000_000);
}

#[test]
fn three_fences_and_a_cancel() {
    holds(Fence::Lock, Bounds { writes: 1, cancels: 1, fences: 3, ..NOTHING }, 200_000);
}

#[test]
fn without_a_lock_a_write_is_switched_and_back() {
    holds(Fence::Expiry, Bounds { writes: 1, fences: 2, ..NOTHING }, 500_000);
}

#[test]
fn without_a_lock_a_lost_answer_and_a_cancel() {
    holds(Fence::Expiry, Bounds { writes: 1, cancels: 1, fences: 1, lost: 1, ..NOTHING }, 200_000);
}
