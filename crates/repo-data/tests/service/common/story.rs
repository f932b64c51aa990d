//! A story that goes through every step of the service.

use std::sync::Arc;

use repo_blob::{BlobDigest, PartNumber};
use repo_core::{ManualClock, Result};
use repo_data::model::{DataType, EntryKind, Fields, Json, UploadKind};
use repo_data::{
    DataService, FileStream, NewContent, NewDatapoint, NewDataset, NewEntry, NewRevision,
    NewUpload, Piece, RevisedContent,
};

use super::{DAY, HOUR, ada, bytes, id};

pub fn long(text: &str) -> String {
    text.repeat(30)
}

pub fn entry(name: &str, content: NewContent) -> NewEntry {
    NewEntry { id: Some(id(name)), ..NewEntry::new(name, ada(), content) }
}

pub fn datapoint(name: &str, data_type: DataType) -> NewDatapoint {
    NewDatapoint {
        id: id(name),
        label: Some("T".to_owned()),
        data_type,
        ownership_info: Json::parse("{}").unwrap(),
        data_timestamp: "2026-11-28T16:52:31.354646".to_owned(),
        owner: ada(),
        value: None,
        fields: Fields::new(),
        store: None,
    }
}

pub fn file(content: &[u8]) -> FileStream<'static> {
    FileStream {
        name: "log.txt".to_owned(),
        content_type: None,
        expected: repo_blob::Expected::NOTHING,
        bytes: bytes(content),
    }
}

pub fn piece(start: u64, total: Option<u64>, content: &[u8]) -> Piece<'static> {
    Piece { start, total, checksum: None, bytes: bytes(content) }
}

pub async fn upload(service: &DataService, name: &str, kind: UploadKind) -> Result<()> {
    let content = long(name).into_bytes();
    let upload = service.begin_upload(&NewUpload::new(id(name), kind)).await?.value.id;
    let (first, rest) = content.split_at(20);
    let total = Some(content.len() as u64);
    if kind == UploadKind::Parts {
        for (number, part) in [(2, rest), (1, first)] {
            let number = PartNumber::new(number)?;
            let md5 = Some(BlobDigest::of(part).md5);
            service.put_part(&upload, number, bytes(part), md5).await?;
        }
        let parts = [(PartNumber::new(1)?, None), (PartNumber::new(2)?, None)];
        service.complete_parts(&upload, &parts).await?;
    } else {
        service.append(&upload, piece(0, total, first)).await?;
        let end = service.append(&upload, piece(20, total, rest)).await?;
        assert_eq!(end.complete, Some(BlobDigest::of(&content)));
    }
    service.activate_entry(&id(name), None).await.map(|_| ())
}

/// Everything once, with time that passes.
pub async fn tell(service: &DataService, clock: &Arc<ManualClock>) -> Result<()> {
    service
        .create_dataset(NewDataset { id: Some(id("set")), ..NewDataset::new("set", ada()) })
        .await?;
    service.create_entry(entry("text", NewContent::Text(long("text")))).await?;
    for kind in [UploadKind::Gcs, UploadKind::Tus, UploadKind::Parts] {
        let name = format!("{kind:?}");
        service.create_entry(entry(&name, NewContent::File)).await?;
        upload(service, &name, kind).await?;
    }
    let value = Json::parse(&format!("\"{}\"", long("value")))?;
    let spilled = NewDatapoint { value: Some(value), ..datapoint("spilled", DataType::Json) };
    service.submit_datapoint(spilled, None).await?;
    service.submit_datapoint(datapoint("file", DataType::File), Some(file(b"some bytes"))).await?;
    let revision = NewRevision {
        id: id("revision"),
        base: None,
        content: RevisedContent::Text(long("revised")),
        name: None,
        description: None,
        metadata: None,
        author: ada(),
        publish: true,
    };
    service.revise_entry(&id("text"), &revision).await?;
    for number in 0..8 {
        let content = NewContent::Text(if number % 2 == 0 { long("in set") } else { "x".into() });
        let new = entry(&format!("in-{number}"), content);
        service.create_entry(NewEntry { dataset: Some(id("set")), ..new }).await?;
    }
    service.delete_dataset(&id("set"), None).await?;
    service.restore_dataset(&id("set"), None).await?;
    service.delete_dataset(&id("set"), None).await?;
    service.delete_entry(&id("text"), None).await?;
    service.restore_entry(&id("text"), None).await?;
    service.delete_entry(&id("text"), None).await?;
    service.delete_entry(&id("Gcs"), None).await?;
    service.delete_datapoint(&id("file"), None).await?;
    // An upload that nobody goes on with.
    service.create_entry(entry("left", NewContent::Collection)).await?;
    let left = service.begin_upload(&NewUpload::new(id("left"), UploadKind::Parts)).await?;
    service.put_part(&left.value.id, PartNumber::FIRST, bytes(b"left"), None).await?;
    assert_eq!(service.entry(&id("left")).await?.value.kind, EntryKind::Collection);
    clock.advance(8 * DAY);
    service.sweep().await?;
    clock.advance(2 * HOUR);
    service.sweep().await.map(|_| ())
}
