//! Chains: what aggregates have, whatever happens to the process between two steps.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Crashes, Fate, Place, crashing, key, memory, name, save, subscribed};
use repo_core::strategy::{RecordChange, StorageStrategyExt as _, SystemCollection};
use repo_core::{ErrorKind, Result};
use repo_feed::{
    Chain, Consumer, FollowOptions, HandlerError, LEASE, MAX_AGGREGATES, MAX_STATE_KEY_BYTES,
    SubscribeOptions,
};

const MANY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// Counts, by record, and by the first letter of its id the versions.
type Counts = (BTreeMap<String, u64>, BTreeMap<String, Vec<(String, u64)>>);

fn counting(fails: Arc<AtomicBool>) -> Chain<RecordChange> {
    Chain::new()
        .map(move |change: RecordChange| {
            let fails = fails.load(Ordering::SeqCst) && change.key.id.as_str() == "bad";
            let slow = change.key.id.as_str() == "z9";
            async move {
                if slow {
                    // The lease is renewed meanwhile.
                    tokio::time::sleep(LEASE / 2).await;
                }
                match fails {
                    true => Err(HandlerError::Failed("no".to_owned())),
                    false => Ok(Some(change)),
                }
            }
        })
        .aggregate(
            "writes",
            |change: &RecordChange| Some(change.key.id.to_string()),
            |writes: &mut u64, _| {
                *writes += 1;
                Ok(())
            },
        )
        .unwrap()
        .aggregate(
            "letters",
            |change: &RecordChange| Some(change.key.id.as_str()[..1].to_owned()),
            |seen: &mut Vec<(String, u64)>, change| {
                seen.push((change.key.id.to_string(), change.version.get()));
                Ok(())
            },
        )
        .unwrap()
}

async fn counts(place: &Place) -> Counts {
    let consumers = &place.consumers;
    let writes = consumers.states(&name("a"), "writes", None, MANY).await.unwrap();
    let letters = consumers.states(&name("a"), "letters", None, MANY).await.unwrap();
    (writes.into_iter().collect(), letters.into_iter().collect())
}

/// What the aggregates have to have of these writes, in their order.
fn expected<'i>(ids: impl IntoIterator<Item = &'i str>) -> Counts {
    let (mut writes, mut letters) = Counts::default();
    for id in ids {
        let count = writes.entry(id.to_owned()).or_insert(0);
        *count += 1;
        letters.entry(id[..1].to_owned()).or_default().push((id.to_owned(), *count));
    }
    (writes, letters)
}

fn to_head(items: usize) -> FollowOptions {
    FollowOptions::default().until_head().with_max_items(NonZeroUsize::new(items).unwrap())
}

async fn run(place: &Place, chain: &Chain<RecordChange>, items: usize) -> Result<()> {
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await?;
    consumer.run(&to_head(items), chain).await?;
    consumer.close().await
}

/// 60 writes of 23 records: more states than are written at once.
fn script() -> Vec<String> {
    (0..60_usize).map(|n| format!("{}{}", ["x", "y", "z"][n % 3], (n * 7) % 23)).collect()
}

async fn filled() -> (Place, Crashes) {
    let (place, crashes) = crashing().await;
    place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
    for (n, id) in script().iter().enumerate() {
        save(&place.store, id).await;
        if n % 10 == 5 {
            save(&place.store, "bad").await;
        }
    }
    (place, crashes)
}

/// Every write of the consumer is refused, is done without its answer, or is the last
/// thing that the process does. Then another process has it, or the same one again.
#[tokio::test(start_paused = true)]
async fn a_state_has_each_change_once_wherever_a_process_ends() {
    for fate in [Fate::Refused, Fate::Unheard, Fate::Hangs] {
        for (again, items) in [(false, 7), (true, 7), (false, 30), (true, 30)] {
            let mut step = 0;
            while broken_off(fate, again, items, step).await {
                step += 1;
            }
            assert!(step > 15, "{step} steps");
        }
    }
}

/// Breaks off the write at `step`; whether there was one. Between two runs what failed is
/// asked for again, so that letters are settled on the way, too.
async fn broken_off(fate: Fate, again: bool, items: usize, step: usize) -> bool {
    let what = format!("{fate:?} at {step}, {items} at once, again: {again}");
    let (place, crashes) = filled().await;
    let fails = Arc::new(AtomicBool::new(true));
    let chain = counting(Arc::clone(&fails));
    let planned = std::iter::repeat_n(Fate::Done, step).chain([fate]);
    crashes.plan(planned);
    let mut kept: Option<Consumer> = None;
    let mut failed = 0;
    for round in 0..4 {
        if round == 2 {
            // Asking for letters to be tried is no write of the process that runs.
            fails.store(false, Ordering::SeqCst);
            let left = crashes.pause();
            place.consumers.retry(&name("a"), None).await.unwrap();
            crashes.plan(left);
        }
        let opened = match kept.take() {
            Some(consumer) => Some(consumer),
            None => opened(&place).await,
        };
        let Some(mut consumer) = opened else {
            failed += 1;
            continue;
        };
        let options = to_head(items);
        let running = consumer.run(&options, &chain);
        let ran = tokio::time::timeout(Duration::from_secs(60), running).await;
        failed += usize::from(!matches!(ran, Ok(Ok(()))));
        if again && round != 1 {
            kept = Some(consumer);
        } else {
            drop(consumer);
            place.clock.advance(LEASE);
        }
    }
    drop(kept);
    place.clock.advance(LEASE);
    let happened = crashes.pause().is_empty();
    run(&place, &chain, items).await.unwrap();
    assert_eq!(failed, usize::from(happened), "{what}");
    let (mut writes, mut letters) = counts(&place).await;
    assert_eq!(writes.remove("bad"), Some(6), "{what}");
    assert_eq!(letters.remove("b").unwrap().len(), 6, "{what}");
    let all = script();
    let expected = expected(all.iter().map(String::as_str));
    assert_eq!((writes, letters), expected, "{what}");
    assert_eq!(place.consumers.list().await.unwrap()[0].dead, 0);
    happened
}

/// Opens the consumer; `None` when that was broken off.
async fn opened(place: &Place) -> Option<Consumer> {
    let name = name("a");
    let opening = Consumer::open(&place.consumers, &name);
    let opened = tokio::time::timeout(Duration::from_secs(60), opening).await;
    if let Ok(Ok(consumer)) = opened {
        return Some(consumer);
    }
    place.clock.advance(LEASE);
    None
}

#[tokio::test]
async fn items_are_filtered_changed_and_dropped() {
    let place = subscribed().await;
    for id in ["aa", "b", "ccc", "aa", "drop"] {
        save(&place.store, id).await;
    }
    let chain = Chain::new()
        .filter_by(|change| change.key.id.as_str() != "b")
        .map(|change| async move {
            let id = change.key.id.to_string();
            Ok((id != "drop").then_some(id))
        })
        .aggregate(
            "bytes",
            |_| Some("all".to_owned()),
            |sum: &mut usize, id: &String| {
                *sum += id.len();
                Ok(())
            },
        )
        .unwrap()
        .map(|id| async move { Ok(Some(id.len())) })
        .aggregate(
            "long",
            |len| (*len > 2).then(|| len.to_string()),
            |n: &mut u8, _| {
                *n += 1;
                Ok(())
            },
        )
        .unwrap();
    let mut consumer = Consumer::open(&place.consumers, &name("a")).await.unwrap();
    // Any runtime may run it.
    let running = tokio::spawn(async move { consumer.run(&to_head(2), &chain).await });
    running.await.unwrap().unwrap();
    let name = name("a");
    let state = |aggregate, key| place.consumers.state::<u64>(&name, aggregate, key);
    assert_eq!(state("bytes", "all").await.unwrap(), Some(7));
    assert_eq!(state("long", "3").await.unwrap(), Some(1));
    assert_eq!(state("long", "2").await.unwrap(), None);
    assert_eq!(state("nothing", "2").await.unwrap(), None);
    let wrong = place.consumers.state::<String>(&name, "bytes", "all").await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Corrupt);
}

#[tokio::test(start_paused = true)]
async fn a_state_out_of_bounds_is_a_dead_letter() {
    let place = subscribed().await;
    for id in ["long", "good", "key", "none"] {
        save(&place.store, id).await;
    }
    let chain = Chain::new()
        .aggregate(
            "texts",
            |change| match change.key.id.as_str() {
                "key" => Some("k".repeat(MAX_STATE_KEY_BYTES + 1)),
                "none" => None,
                id => Some(id.to_owned()),
            },
            |text: &mut String, change| {
                let long = change.key.id.as_str() == "long";
                text.push_str(&"x".repeat(if long { 65_536 } else { 65_534 }));
                Ok(())
            },
        )
        .unwrap();
    run(&place, &chain, 9).await.unwrap();
    let letters = place.consumers.dead_letters(&name("a")).await.unwrap();
    let errors: Vec<&str> = letters.iter().map(|letter| letter.error.as_str()).collect();
    assert!(errors[0].contains("longer than 65536 bytes"), "{errors:?}");
    assert!(errors[1].contains("1 to 300 bytes"), "{errors:?}");
    let states: Vec<(String, String)> =
        place.consumers.states(&name("a"), "texts", None, MANY).await.unwrap();
    assert_eq!(
        states.iter().map(|(key, text)| (&**key, text.len())).collect::<Vec<_>>(),
        [("good", 65_534)]
    );
}

#[tokio::test]
async fn aggregates_have_names_of_their_own() {
    let add = |chain: Chain<RecordChange>, name: &str| {
        chain.aggregate(name, |_| None, |_: &mut u8, _| Ok(())).map_err(|error| error.kind())
    };
    assert_eq!(add(Chain::new(), "a/b").unwrap_err(), ErrorKind::Invalid);
    let mut chain = add(Chain::new(), "a0").unwrap();
    for n in 1..MAX_AGGREGATES {
        chain = add(chain, &format!("a{n}")).unwrap();
    }
    assert_eq!(add(chain, "more").unwrap_err(), ErrorKind::LimitExceeded);
    let chain = add(Chain::new(), "same").unwrap();
    assert_eq!(add(chain, "same").unwrap_err(), ErrorKind::Invalid);
}

/// States end with their consumer, and one of the same name begins anew.
#[tokio::test]
async fn states_end_with_their_consumer() {
    let place = memory().await;
    for round in 0..2 {
        place.consumers.subscribe(&name("a"), SubscribeOptions::default()).await.unwrap();
        assert_eq!(counts(&place).await, Counts::default(), "{round}");
        for n in 0..30 {
            save(&place.store, &format!("x{n}")).await;
        }
        run(&place, &counting(Arc::default()), 100).await.unwrap();
        assert_eq!(counts(&place).await.0.len(), 30);
        let page = place.consumers.states::<u64>(&name("a"), "writes", Some("x7"), MANY).await;
        assert_eq!(page.unwrap(), [("x8".to_owned(), 1), ("x9".to_owned(), 1)]);
        place.consumers.unsubscribe(&name("a")).await.unwrap();
        let left = place.store.system_items(SystemCollection::States, "", None, MANY).await;
        assert_eq!(left.unwrap(), []);
    }
    let error = place.consumers.state::<u64>(&name("a"), "writes", "x1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(place.store.get(&key("x1").collection, &key("x1").id).await.unwrap().is_some());
}
