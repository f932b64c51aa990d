//! `apply`, the replication primitive: the higher version wins.

use repo_core::strategy::{Applied, Record, StoreUpdate};
use repo_core::{Key, Timestamp};

use super::support::{
    Sequence, collection, delete, entity, everything, fill, json_string, key, live, put, record,
    records, save, tombstone,
};
use crate::Fixture;

const MICROS: i64 = 1_700_000_000_123_457;

/// The four answers, on live entities and on tombstones.
pub async fn the_answer_compares_with_what_is_stored(f: Fixture) {
    let store = f.prepared().await;
    let (there, gone) = (key("items", "there"), key("items", "gone"));
    store
        .apply(vec![live(&there, 5, "\"n\":1.0", MICROS), tombstone(&gone, 5, MICROS)])
        .await
        .unwrap();
    let fresh = key("items", "fresh");
    let cases = [
        (live(&there, 5, "\"n\":1", 3), Applied::Equal),
        (live(&there, 5, "\"n\":2", MICROS), Applied::Diverged),
        (tombstone(&there, 5, MICROS), Applied::Diverged),
        (live(&there, 4, "\"n\":1", MICROS), Applied::Older),
        (tombstone(&there, 1, MICROS), Applied::Older),
        (tombstone(&gone, 5, 3), Applied::Equal),
        (live(&gone, 5, "", MICROS), Applied::Diverged),
        (live(&gone, 4, "", MICROS), Applied::Older),
        (tombstone(&gone, 4, MICROS), Applied::Older),
        (live(&there, 6, "\"n\":1", MICROS), Applied::Applied),
        (tombstone(&there, 9, MICROS), Applied::Applied),
        (live(&gone, 7, "", MICROS), Applied::Applied),
        (tombstone(&fresh, 3, MICROS), Applied::Applied),
        (live(&fresh, 4, "", MICROS), Applied::Applied),
    ];
    for (brought, expected) in cases {
        let before = record(&store, &brought.key()).await;
        let answer = store.apply(vec![brought.clone()]).await.unwrap();
        assert_eq!(answer, [expected], "{brought:?} on {before:?}");
        let after = record(&store, &brought.key()).await;
        let kept = if expected == Applied::Applied { Some(brought) } else { before };
        assert_eq!(after, kept);
    }
}

/// A record is kept with its own version and times, and later writes continue
/// from it.
pub async fn a_record_keeps_its_version_and_times(f: Fixture) {
    let store = f.prepared().await;
    let key = key("things", "a");
    let mut brought = live(&key, 41, "\"status\":\"on\"", MICROS);
    if let Record::Live(entity) = &mut brought {
        entity.updated_at = Timestamp::from_micros(MICROS + 1).unwrap();
    }
    store.apply(vec![brought.clone()]).await.unwrap();
    assert_eq!(record(&store, &key).await, Some(brought.clone()));
    let store = f.reopen(store).await;
    assert_eq!(records(&store, "things").await, [brought]);
    assert_eq!(save(&store, &key, "").await, 42);
    assert_eq!(entity(&store, &key).await.created_at.as_micros(), MICROS);
    assert_eq!(delete(&store, &key).await, 43);
}

/// What is applied is found by queries, and what it replaces no longer.
pub async fn applied_records_are_found_by_queries(f: Fixture) {
    let store = f.prepared().await;
    let keys = ["a", "b", "c"].map(|id| key("things", id));
    store
        .apply(keys.iter().map(|key| live(key, 1, "\"status\":\"on\"", 1)).collect())
        .await
        .unwrap();
    store
        .apply(vec![live(&keys[0], 2, "\"status\":\"off\"", 2), tombstone(&keys[1], 2, 2)])
        .await
        .unwrap();
    let find = |text: &str| repo_core::Query::new(super::support::filter(text));
    let on = super::support::find_ids(&store, "things", find(r#"{"status":"on"}"#)).await;
    let off = super::support::find_ids(&store, "things", find(r#"{"status":"off"}"#)).await;
    assert_eq!((on, off), (vec!["c".to_owned()], vec!["a".to_owned()]));
}

/// Applying the same again changes nothing.
pub async fn apply_is_idempotent(f: Fixture) {
    let store = f.prepared().await;
    let brought: Vec<Record> = (0..40)
        .map(|n| {
            let key = key(["items", "things"][n % 2], &format!("{n}"));
            let number = n as u64 % 5 + 1;
            if n % 3 == 0 {
                tombstone(&key, number, MICROS)
            } else {
                live(&key, number, "\"n\":1.50", MICROS)
            }
        })
        .collect();
    assert_eq!(store.apply(brought.clone()).await.unwrap(), [Applied::Applied; 40]);
    let once = everything(&store).await;
    for _ in 0..2 {
        assert_eq!(store.apply(brought.clone()).await.unwrap(), [Applied::Equal; 40]);
        assert_eq!(everything(&store).await, once);
    }
}

/// A key may stand several times; each is compared with what the ones before
/// it left. The answers are in the order of the records.
pub async fn a_key_may_stand_several_times(f: Fixture) {
    let store = f.prepared().await;
    let (a, b) = (key("items", "a"), key("items", "b"));
    let answers = store
        .apply(vec![
            live(&a, 2, "\"n\":2", 1),
            live(&b, 1, "", 1),
            live(&a, 1, "\"n\":1", 1),
            live(&a, 2, "\"n\":2", 1),
            live(&a, 2, "\"n\":3", 1),
            tombstone(&a, 3, 1),
            live(&a, 3, "", 1),
            live(&b, 1, "", 1),
        ])
        .await
        .unwrap();
    let expected = [
        Applied::Applied,
        Applied::Applied,
        Applied::Older,
        Applied::Equal,
        Applied::Diverged,
        Applied::Applied,
        Applied::Diverged,
        Applied::Equal,
    ];
    assert_eq!(answers, expected);
    assert_eq!(record(&store, &a).await, Some(tombstone(&a, 3, 1)));
}

/// Floors do not hold `apply` back, and `apply` does not move them.
pub async fn apply_ignores_floors(f: Fixture) {
    let store = f.prepared().await;
    let name = collection("items");
    let raise = StoreUpdate::RaiseFloor { collection: name.clone(), floor: 100 };
    store.update_store_record(raise).await.unwrap();
    let (low, high) = (key("items", "low"), key("items", "high"));
    let brought = vec![live(&low, 3, "", 1), tombstone(&high, 200, 1)];
    assert_eq!(store.apply(brought).await.unwrap(), [Applied::Applied; 2]);
    assert_eq!(save(&store, &low, "").await, 4);
    assert_eq!(save(&store, &key("items", "new"), "").await, 101);
    assert_eq!(store.store_record().await.unwrap().collections[&name].floor, 100);
}

/// No records, no answers; and many records in one call, over collections.
pub async fn apply_takes_any_number_of_records(f: Fixture) {
    let store = f.prepared().await;
    assert_eq!(store.apply(Vec::new()).await.unwrap(), []);
    let brought: Vec<Record> = (0..2_500)
        .map(|n| live(&key(["items", "things"][n % 2], &format!("{n:04}")), 7, "", MICROS))
        .collect();
    let answers = store.apply(brought.clone()).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Applied::Applied));
    assert_eq!(answers.len(), 2_500);
    let mut kept = everything(&store).await;
    kept.sort_by_key(|record| record.id().clone());
    assert_eq!(kept, brought);
}

/// In one call with many that are new, each record that is there already gets
/// its own answer; again and again, whatever the calls before were like.
pub async fn many_at_once_are_compared_one_by_one(f: Fixture) {
    let store = f.prepared().await;
    let at = |number: usize, version: u64| {
        live(&key("items", &format!("{number:04}")), version, "\"n\":1", MICROS)
    };
    let mut stored = 0;
    for turn in 0..6 {
        // Every other turn brings nothing but new ones.
        let again = if turn % 2 == 0 { 0 } else { 3 };
        let mut brought: Vec<Record> = (stored..stored + 150).map(|number| at(number, 2)).collect();
        let mut expected = vec![Applied::Applied; brought.len()];
        let answers = [(2, Applied::Equal), (1, Applied::Older), (3, Applied::Applied)];
        for (number, (version, answer)) in answers.into_iter().enumerate().take(again) {
            brought.insert(40 * number, at(3 * turn + number, version));
            expected.insert(40 * number, answer);
        }
        assert_eq!(store.apply(brought).await.unwrap(), expected, "turn {turn}");
        stored += 150;
    }
    let kept = everything(&store).await;
    assert_eq!(kept.len(), stored);
    let of_version = |version| kept.iter().filter(|r| r.version().get() == version).count();
    assert_eq!((of_version(2), of_version(3)), (stored - 3, 3));
}

/// Batch after batch of new records, as a load brings them: each is kept as it
/// is, whatever is in it, and what comes again afterwards is recognised.
pub async fn a_load_keeps_every_record_as_it_is(f: Fixture) {
    let store = f.prepared().await;
    let odd = ["'\"", "\\\\N", "ä€🦀", "a\tb\nc", "\\.", "NULL", "{},", ""];
    let brought: Vec<Record> = (0..300_u64)
        .map(|number| {
            let text = odd[number as usize % odd.len()];
            let id = format!("{}{number}", text.replace(['\t', '\n'], " "));
            let (key, version) = (key("items", &id), 1 + number * 7_919);
            let micros = (number as i64 - 150) * 86_400_000_001;
            if number % 5 == 0 {
                return tombstone(&key, version, micros);
            }
            let text = json_string(text);
            let fields =
                format!("\"t\":{text},\"n\":-1.50e-{number},\"o\":{{{text}:[null,\"x\"]}}");
            let fields =
                if text == "\"\"" { "\"n\":12345678901234567890.5".into() } else { fields };
            let fields = if number > 120 { "\"n\":1e120".into() } else { fields };
            live(&key, version, &fields, micros)
        })
        .collect();
    for batch in brought.chunks(60) {
        let answers = store.apply(batch.to_vec()).await.unwrap();
        assert_eq!(answers, vec![Applied::Applied; batch.len()]);
    }
    let by_id = |mut records: Vec<Record>| {
        records.sort_by(|a, b| a.id().cmp(b.id()));
        records
    };
    let expected = by_id(brought.clone());
    assert_eq!(by_id(everything(&store).await), expected);
    let mut again: Vec<Record> = brought[..100].to_vec();
    again.push(live(&key("items", "new"), 1, "", MICROS));
    let answers = store.apply(again).await.unwrap();
    assert_eq!(answers[..100], vec![Applied::Equal; 100]);
    assert_eq!(answers[100], Applied::Applied);
    let further: Vec<Record> =
        (0..60).map(|n| live(&key("items", &format!("further {n}")), 3, "", MICROS)).collect();
    assert_eq!(store.apply(further).await.unwrap(), vec![Applied::Applied; 60]);
    assert_eq!(everything(&store).await.len(), 361);
}

/// Versions of every key, shuffled: whatever the order and the grouping, the
/// highest of each key remains.
pub async fn any_order_leads_to_the_same_state(f: Fixture) {
    let store = f.prepared().await;
    let history: Vec<Record> = (0..12_usize)
        .flat_map(|n| (1..=4_u64).map(move |number| (n, number)))
        .map(|(n, number)| {
            let key = history_key(n);
            let micros = MICROS + i64::try_from(number).unwrap();
            if (n as u64 + number).is_multiple_of(3) {
                tombstone(&key, number, micros)
            } else {
                live(&key, number, &format!("\"n\":{number}"), micros)
            }
        })
        .collect();
    let expected: Vec<Record> =
        history.iter().filter(|record| record.version().get() == 4).cloned().collect();
    for seed in 0..4 {
        let mut shuffled = history.clone();
        let mut random = Sequence(seed);
        for at in (1..shuffled.len()).rev() {
            let with = usize::try_from(random.below(at as u64 + 1)).unwrap();
            shuffled.swap(at, with);
        }
        let (name, batch) =
            (["items", "notes", "things"][seed as usize % 3], 1 + 7 * seed as usize);
        for batch in shuffled.chunks(batch) {
            store.apply(batch.iter().map(|record| moved(record, name)).collect()).await.unwrap();
        }
        let expected: Vec<Record> = expected.iter().map(|record| moved(record, name)).collect();
        assert_eq!(records(&store, name).await, expected, "seed {seed}");
    }
}

fn history_key(n: usize) -> Key {
    key("items", &format!("{n:02}"))
}

/// The same record in another collection.
fn moved(record: &Record, name: &str) -> Record {
    let key = key(name, record.id().as_str());
    let micros = record.updated_at().as_micros();
    let number = record.version().get();
    match record {
        Record::Live(_) => live(&key, number, &format!("\"n\":{number}"), micros),
        Record::Tombstone(_) => tombstone(&key, number, micros),
    }
}

/// Records and ordinary writes on the same keys continue from each other.
pub async fn apply_and_commit_go_on_from_each_other(f: Fixture) {
    let store = f.prepared().await;
    let key = key("items", "a");
    fill(&store, vec![put(&key, "\"n\":1")]).await;
    store.apply(vec![live(&key, 2, "\"n\":2", 1)]).await.unwrap();
    assert_eq!(save(&store, &key, "\"n\":3").await, 3);
    store.apply(vec![tombstone(&key, 10, 1)]).await.unwrap();
    assert_eq!(save(&store, &key, "\"n\":11").await, 11);
    let answer = store.apply(vec![live(&key, 11, "\"n\":11.0", 1)]).await.unwrap();
    assert_eq!(answer, [Applied::Equal]);
}
