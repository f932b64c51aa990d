//! The bytes that stores keep of each kind of job. Programs of every version
//! read them, so what fails here is a new format.

use std::collections::BTreeMap;

use repo_core::strategy::{JobFingerprint, JobId, JobKind, StoredJob, UnfinishedJob};
use repo_core::{CollectionName, Result, Timestamp};

use super::checkpoint::{Begun, Checkpoint, Copied, UnreadCheckpoint};
use super::in_place::{Aside, InPlace};
use crate::OnConflict;
use crate::report::{Counts, Listed};

const FINGERPRINT: &str = "5f2c1f0d9b3a47e68d1c0b9a8f7e6d5c";
const TOKEN: &str = "00112233445566778899aabbccddeeff";

const MIGRATION: &str = concat!(
    r#"{"format":1,"source":"json:/srv/a","target":"sqlite:/srv/b.db","#,
    r#""collections":["items"],"on_conflict":"newer","#,
    r#""started_at":"2026-03-01T08:00:00.123457Z","tool_version":"0.1.0","#,
    r#""owner":{"token":"00112233445566778899aabbccddeeff","host":"h","process":7,"#,
    r#""process_started":8,"machine":"m","renewed_at":"2026-03-01T08:00:01.000000Z"},"#,
    r#""stage":"verify","into_empty":true,"#,
    r#""archive":{"path":"/srv/archives/1","checksum":"c"},"target_archive":null,"#,
    r#""copied":{"items":{"of":9,"counts":{"read":5,"tombstones":1,"applied":4,"equal":1,"#,
    r#""older":0,"diverged":0,"quarantined":0},"finished":false,"replaced":2,"raised":3}},"#,
    r#""upgrades":{"items":"1-2"}}"#,
);

const UPGRADE: &str = concat!(
    r#"{"format":2,"source":"json:/srv/a","target":"json:/srv/a","#,
    r#""collections":["items"],"on_conflict":"fail","#,
    r#""started_at":"2026-03-01T08:00:00.123457Z","tool_version":"0.1.0","owner":null,"#,
    r#""stage":"copy","into_empty":false,"archive":null,"target_archive":null,"copied":{},"#,
    r#""upgrades":{"items":"1-2"},"in_place":{"collection":"items","from":1,"to":2,"of":9,"#,
    r#""done":4,"in_flight":2,"aside":[{"id":"a","left":"why"},{"id":"b","left":null}],"#,
    r#""counts":{"records":4,"tombstones":1,"upgraded":3,"gone":0},"#,
    r#""left":{"count":1,"first":["c"]}}}"#,
);

fn name() -> CollectionName {
    CollectionName::new("items").unwrap()
}

fn begun(target: &str, on_conflict: OnConflict) -> Begun {
    Begun {
        source: "json:/srv/a".to_owned(),
        target: target.to_owned(),
        collections: Some([name()].into()),
        on_conflict,
        started_at: Timestamp::parse("2026-03-01T08:00:00.123457Z").unwrap(),
        into_empty: on_conflict == OnConflict::Newer,
        upgrades: BTreeMap::from([(name(), "1-2".to_owned())]),
    }
}

fn id(kind: JobKind) -> JobId {
    JobId::new(kind, JobFingerprint::new(FINGERPRINT).unwrap()).held_by(TOKEN)
}

fn stored(progress: &str) -> StoredJob {
    StoredJob { plan: format!("{FINGERPRINT}:{TOKEN}"), progress: progress.to_owned() }
}

/// Reads what a store keeps, and makes of it what it would keep then.
fn written_again(progress: &str) -> Result<StoredJob, UnreadCheckpoint> {
    let job = UnfinishedJob::from(stored(progress));
    let checkpoint = Checkpoint::read(&job)?;
    Ok(checkpoint.to_job(job.id().clone()).unwrap().into())
}

#[test]
fn a_migration_keeps_its_bytes() {
    assert_eq!(written_again(MIGRATION).unwrap(), stored(MIGRATION));
    let mut checkpoint = Checkpoint::new(begun("sqlite:/srv/b.db", OnConflict::Newer));
    checkpoint.tool_version = "0.1.0".to_owned();
    let kept = Checkpoint::read(&stored(MIGRATION).into()).unwrap();
    assert_eq!(
        kept.copied[&name()].counts,
        Counts { read: 5, tombstones: 1, applied: 4, equal: 1, ..Counts::default() }
    );
    let copied = Copied {
        of: 9,
        replaced: 2,
        raised: 3,
        counts: kept.copied[&name()].counts,
        finished: false,
        ..Copied::default()
    };
    checkpoint.copied.insert(name(), copied);
    (checkpoint.owner, checkpoint.stage) = (kept.owner.clone(), kept.stage);
    checkpoint.archive.clone_from(&kept.archive);
    assert_eq!(checkpoint, kept);
    let job = checkpoint.to_job(id(JobKind::Migration)).unwrap();
    assert_eq!(StoredJob::from(job), stored(MIGRATION));
}

#[test]
fn an_upgrade_keeps_its_bytes() {
    assert_eq!(written_again(UPGRADE).unwrap(), stored(UPGRADE));
    let aside = |id: &str, left: Option<&str>| Aside {
        id: id.parse().unwrap(),
        left: left.map(str::to_owned),
    };
    let in_place = InPlace {
        collection: name(),
        from: 1,
        to: 2,
        of: 9,
        done: 4,
        in_flight: 2,
        aside: vec![aside("a", Some("why")), aside("b", None)],
        counts: crate::upgrade::report::Counts { records: 4, tombstones: 1, upgraded: 3, gone: 0 },
        left: Listed { count: 1, first: vec!["c".to_owned()] },
    };
    let mut checkpoint = Checkpoint::of_upgrade(begun("json:/srv/a", OnConflict::Fail), in_place);
    checkpoint.tool_version = "0.1.0".to_owned();
    let job = checkpoint.to_job(id(JobKind::Upgrade)).unwrap();
    assert_eq!(StoredJob::from(job), stored(UPGRADE));
}

#[test]
fn damage_is_told_from_the_form_of_another_version() {
    let read = |progress: &str| Checkpoint::read(&stored(progress).into());
    for damaged in ["", "{}", "[1, 2", "{\"format\":1}", "{\"format\":2,\"in_place\":{}}"] {
        assert_eq!(read(damaged), Err(UnreadCheckpoint::Damaged), "{damaged}");
    }
    assert_eq!(read("{\"format\":3}"), Err(UnreadCheckpoint::OtherFormat));
    // A migration under the format of an upgrade, and the other way round.
    let swapped = MIGRATION.replacen("\"format\":1", "\"format\":2", 1);
    assert_eq!(read(&swapped), Err(UnreadCheckpoint::Damaged));
    let swapped = UPGRADE.replacen("\"format\":2", "\"format\":1", 1);
    assert_eq!(read(&swapped), Err(UnreadCheckpoint::Damaged));
}
