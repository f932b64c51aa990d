//! Whatever the order of steps: nothing ever refers to what is not there, who is refused is
//! refused for a reason, and nobody gives up.

use std::collections::BTreeSet;

use futures::executor::block_on;
use repo_core::{ErrorKind, Filter, Precondition, Query, Write};
use repo_layers::Inner;

use crate::schedules::{Fate, Meeting, Party, explore};
use crate::words::{delete, live, machine, put, refused, request};

/// A commit that a party makes.
fn commits(store: &Inner, writes: Vec<Write>) -> Party {
    let store = store.clone();
    Box::pin(async move { store.commit(writes).await.map(drop) })
}

fn refers(id: &str) -> Write {
    put(&machine(id), r#""request_id":"r""#)
}

/// The ids of the machines that refer to the request.
fn referring(meeting: &Meeting) -> Vec<String> {
    let filter = Filter::parse(r#"{"request_id": "r"}"#).unwrap();
    let collection = machine("m").collection;
    let page = block_on(meeting.raw.query(&collection, &Query::new(filter))).unwrap();
    page.entities.iter().map(|entity| entity.id.to_string()).collect()
}

fn is_there(meeting: &Meeting) -> bool {
    block_on(live(&meeting.raw, &request("r"))).is_some()
}

fn dangles(meeting: &Meeting) -> bool {
    !is_there(meeting) && !referring(meeting).is_empty()
}

/// Every order of commits through the layer, over a store that holds the request, and `before`.
/// Those that are refused are so with one of the kinds.
fn holds(
    most_kills: usize,
    before: &[Write],
    parties: &[Vec<Write>],
    kinds: &[ErrorKind],
) -> usize {
    let begin = |meeting: &Meeting| -> Vec<Party> {
        let first = [put(&request("r"), ""), put(&request("other"), "")];
        block_on(meeting.raw.commit(first.into_iter().chain(before.iter().cloned()).collect()))
            .unwrap();
        parties.iter().map(|writes| commits(&meeting.store, writes.clone())).collect()
    };
    let always = |meeting: &Meeting, order: &str| assert!(!dangles(meeting), "{order}");
    explore(most_kills, begin, always, |meeting, fates, order| {
        for fate in fates {
            if let Fate::Done(Err(error)) = fate {
                assert!(kinds.contains(&error.kind()), "{order}: {error:?}");
            }
        }
        recovers(meeting, order);
    })
}

/// Whatever was left behind, what refers can be deleted, then the request, and no sooner.
fn recovers(meeting: &Meeting, order: &str) {
    let store = crate::words::enforcing(meeting.raw.clone());
    block_on(store.commit(vec![put(&request("r"), "")])).unwrap();
    block_on(store.commit(vec![refers("last")])).unwrap();
    let kept = refused(block_on(store.commit(vec![delete(&request("r"))])));
    assert_eq!(kept.kind(), ErrorKind::Invalid, "{order}");
    let all = referring(meeting).into_iter().map(|id| delete(&machine(&id))).collect();
    block_on(store.commit(all)).unwrap();
    block_on(store.commit(vec![delete(&request("r"))])).unwrap();
    assert_eq!(refused(block_on(store.commit(vec![refers("late")]))).kind(), ErrorKind::Invalid);
    assert!(!is_there(meeting) && referring(meeting).is_empty(), "{order}");
}

const REFUSED: &[ErrorKind] = &[ErrorKind::Invalid];

#[test]
fn one_refers_and_one_deletes() {
    let orders = holds(1, &[], &[vec![refers("m")], vec![delete(&request("r"))]], REFUSED);
    assert!(orders > 20, "{orders}");
}

#[test]
fn two_refer_and_one_deletes() {
    let parties = [vec![refers("m")], vec![refers("n")], vec![delete(&request("r"))]];
    let orders = holds(1, &[], &parties, REFUSED);
    assert!(orders > 100, "{orders}");
}

#[test]
fn one_refers_and_two_delete() {
    let deletes = vec![delete(&request("r"))];
    let orders = holds(0, &[], &[vec![refers("m")], deletes.clone(), deletes], REFUSED);
    assert!(orders > 100, "{orders}");
}

#[test]
fn one_deletes_all_who_refer_while_another_one_begins_to() {
    let all = vec![delete(&machine("m")), delete(&request("r"))];
    holds(1, &[refers("m")], &[all, vec![refers("n")]], REFUSED);
}

#[test]
fn one_brings_it_back_and_refers_while_another_one_deletes() {
    let both = vec![put(&request("r"), ""), refers("m")];
    let create = vec![put(&request("r"), "")];
    holds(1, &[], &[both, vec![delete(&request("r"))]], REFUSED);
    holds(0, &[], &[create, vec![refers("m")], vec![delete(&request("r"))]], REFUSED);
}

#[test]
fn the_last_reference_goes_or_moves_while_another_one_deletes() {
    let parties = [vec![delete(&machine("m"))], vec![delete(&request("r"))]];
    holds(1, &[refers("m")], &parties, REFUSED);
    let there = put(&machine("m"), r#""request_id":"other""#);
    let deletes = vec![delete(&request("r"))];
    holds(0, &[refers("m")], &[vec![there], vec![refers("m")], deletes], REFUSED);
}

/// A condition of a version is one of the caller's, and may fail as ever.
#[test]
fn deletions_of_a_version_are_refused_for_it() {
    let first = Precondition::Version(repo_core::Version::FIRST);
    let of_first = vec![Write::delete(request("r"), first)];
    let kinds = [ErrorKind::Invalid, ErrorKind::NotFound, ErrorKind::Conflict];
    let update = vec![put(&request("r"), "\"n\":1"), refers("m")];
    holds(0, &[], &[of_first.clone(), of_first, update], &kinds);
}

/// That these tests find a gap where there is one: without marks, the check of existence and a
/// look before the deletion leave it open.
#[test]
fn without_marks_the_gap_is_found() {
    let begin = |meeting: &Meeting| -> Vec<Party> {
        block_on(meeting.raw.commit(vec![put(&request("r"), "")])).unwrap();
        let exists = Write::check(request("r"), Precondition::Exists);
        let refers = commits(&meeting.steps, vec![refers("m"), exists]);
        let steps = meeting.steps.clone();
        let deletes: Party = Box::pin(async move {
            let filter = Filter::parse(r#"{"request_id": "r"}"#)?;
            let page = steps.query(&machine("m").collection, &Query::new(filter).strong()).await?;
            match page.entities.is_empty() {
                true => steps.commit(vec![delete(&request("r"))]).await.map(drop),
                false => Ok(()),
            }
        });
        vec![refers, deletes]
    };
    let found = std::cell::RefCell::new(BTreeSet::new());
    explore(
        0,
        begin,
        |_, _| {},
        |meeting, _, order| {
            if dangles(meeting) {
                found.borrow_mut().insert(order.to_owned());
            }
        },
    );
    assert_eq!(found.into_inner().len(), 1, "looked, then referred to, then deleted");
}
