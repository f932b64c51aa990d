//! Each rule is needed: without it the checker finds a history that breaks an invariant.
//! The shortest one is printed (`--nocapture`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;

use live_model::{Bounds, Fence, LiveModel, Rule, Setting, words};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

const NOTHING: Bounds =
    Bounds { writes: 0, crashes: 0, cancels: 0, fences: 0, lost: 0, copy: false };

/// The variant without `rule` breaks one of `invariants` (their numbers), and within the
/// same bounds the protocol breaks none.
fn needed(rule: Rule, fence: Fence, bounds: Bounds, invariants: &[&str]) {
    let variant = LiveModel { setting: Setting { fence, bounds, without: Some(rule) } };
    let names: BTreeSet<_> = variant.properties().iter().map(|property| property.name).collect();
    let asked: BTreeSet<_> =
        names.into_iter().filter(|n| invariants.contains(&number(n))).collect();
    // One thread, so that the first history is a shortest one.
    let options = variant.checker().finish_when(HasDiscoveries::AnyOf(asked.clone()));
    let checker = options.spawn_bfs().join();
    let found = checker.discoveries();
    let broken = asked.into_iter().find(|name| found.contains_key(name));
    let broken = broken.unwrap_or_else(|| panic!("without {rule:?}: {invariants:?} hold"));
    println!("without {rule:?}, after {} states: {broken}", checker.unique_state_count());
    println!("{}", words(found[broken].clone()));
    the_protocol_holds(fence, bounds);
}

fn number(name: &str) -> &str {
    name.split(' ').next().unwrap()
}

fn the_protocol_holds(fence: Fence, bounds: Bounds) {
    let model = LiveModel { setting: Setting { fence, bounds, without: None } };
    let options = model.checker().threads(2).symmetry();
    let checker = options.finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
    let always = |property: &Property<_>| property.expectation == Expectation::Always;
    for property in model.properties().into_iter().filter(always) {
        let name = property.name;
        assert!(checker.discovery(name).is_none(), "{name} fails with every rule");
    }
}

const ONE: Bounds = Bounds { writes: 1, fences: 1, ..NOTHING };
const TWO: Bounds = Bounds { writes: 2, ..ONE };

#[test]
fn a_flag_is_no_fence() {
    needed(Rule::FenceWaits, Fence::Lock, ONE, &["L2", "L4"]);
}

#[test]
fn the_drain_comes_before_the_decision() {
    needed(Rule::Drain, Fence::Lock, ONE, &["L2"]);
}

#[test]
fn reads_need_a_lease() {
    needed(Rule::ReadLease, Fence::Lock, ONE, &["L5"]);
}

#[test]
fn a_fenced_store_gives_no_lease() {
    needed(Rule::LeaseFromAuthority, Fence::Lock, ONE, &["L5"]);
}

#[test]
fn the_source_decides() {
    needed(Rule::DecisionAtSource, Fence::Lock, Bounds { cancels: 1, ..ONE }, &["L1", "L2"]);
}

#[test]
fn a_decision_expects_its_attempt() {
    let bounds = Bounds { cancels: 1, fences: 2, ..ONE };
    needed(Rule::AttemptInDecision, Fence::Lock, bounds, &["L9"]);
}

#[test]
fn a_promotion_raises_the_epoch() {
    needed(Rule::EpochRises, Fence::Lock, Bounds { writes: 0, fences: 2, ..ONE }, &["L1", "P1"]);
}

#[test]
fn a_retired_store_keeps_its_route() {
    needed(Rule::RouteStays, Fence::Lock, Bounds { writes: 0, ..ONE }, &["P2"]);
}

#[test]
fn records_are_applied_in_the_order_of_versions() {
    needed(Rule::VersionOrder, Fence::Lock, TWO, &["L2", "L6"]);
}

#[test]
fn the_position_follows_what_was_applied() {
    needed(Rule::PositionAfterApply, Fence::Lock, ONE, &["L6"]);
}

#[test]
fn the_target_captures_before_it_is_promoted() {
    needed(Rule::CaptureBeforeSwitch, Fence::Lock, Bounds { fences: 2, ..ONE }, &["L11"]);
}

#[test]
fn an_abort_ends_the_claim() {
    let bounds = Bounds { writes: 0, cancels: 1, ..ONE };
    needed(Rule::AbortEndsClaim, Fence::Lock, bounds, &["P1"]);
}

#[test]
fn without_a_lock_the_drain_waits_for_writers() {
    needed(Rule::WriteLease, Fence::Expiry, ONE, &["L2", "L4"]);
}

#[test]
fn without_a_lock_a_late_answer_looks_again() {
    needed(Rule::LateLook, Fence::Expiry, ONE, &["L2", "L4"]);
}

#[test]
fn without_a_lock_the_look_compares_the_epoch() {
    let bounds = Bounds { fences: 2, ..ONE };
    needed(Rule::LateLookComparesEpoch, Fence::Expiry, bounds, &["L2", "L3", "L4"]);
}

#[test]
fn without_a_lock_the_authority_wins_by_version() {
    let bounds = Bounds { fences: 2, ..ONE };
    needed(Rule::AuthorityWinsByVersion, Fence::Expiry, bounds, &["L2"]);
}

#[test]
fn without_a_lock_the_tail_is_carried() {
    let bounds = Bounds { fences: 2, ..ONE };
    needed(Rule::TailIsCarried, Fence::Expiry, bounds, &["L6", "L11"]);
}
