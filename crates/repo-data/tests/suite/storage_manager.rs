//! The storage manager, in places of both kinds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;
use repo_blob::{BlobOptions, BlobStore, PageLimit};
use repo_core::strategy::{OpenOptions, StorageStrategy};
use repo_core::{CollectionName, Error, ErrorKind, ManualClock, MemoryStrategy, Query, Timestamp};
use repo_data::storage_manager::{
    Content, Form, MAX_RECORD_BYTES, StorageManager, StoreOptions, Swept,
};

struct Bench {
    manager: StorageManager,
    store: Arc<dyn StorageStrategy>,
    blobs: Arc<dyn BlobStore>,
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let schemas = StorageManager::schemas("kept").unwrap();
    let mut options = OpenOptions::default();
    options.schemas = Arc::new(schemas.iter().cloned().collect());
    let store: Arc<dyn StorageStrategy> = Arc::new(MemoryStrategy::new(options));
    store.prepare(&schemas).await.unwrap();
    let location = folder.path().join("blobs");
    let blobs = repo_blob::open(location.to_str().unwrap(), &BlobOptions::default()).await.unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0).unwrap()));
    let manager = StorageManager::builder(store.clone(), "kept")
        .records("records")
        .blobs("files", blobs.clone())
        .clock(clock.clone())
        .build()
        .unwrap();
    Bench { manager, store, blobs, clock, folder }
}

impl Bench {
    async fn blob_count(&self) -> usize {
        self.blobs.list(None, PageLimit::MAX).await.unwrap().len()
    }

    async fn note_count(&self) -> usize {
        let notes = CollectionName::new("kept_blobs").unwrap();
        self.store.query(&notes, &Query::all().strong()).await.unwrap().entities.len()
    }
}

fn at(place: &str) -> StoreOptions {
    StoreOptions::default().at(place)
}

#[tokio::test]
async fn content_comes_back_as_it_was() {
    let bench = bench().await;
    let json = r#"{"b":[1,null,"x"],"a":12345678901234567890.123}"#;
    for place in ["records", "files"] {
        let contents = [
            Content::from(vec![0, 255, 1]),
            Content::from(Vec::new()),
            Content::from("text with ä"),
            Content::from(""),
            Content::json(json).unwrap(),
            Content::json("null").unwrap(),
            Content::json("\"just text\"").unwrap(),
        ];
        for content in contents {
            let options = at(place).metadata("run", 17).unwrap();
            let stored = bench.manager.store("k", content.clone(), options).await.unwrap();
            assert_eq!((stored.form, &*stored.place), (content.form(), place));
            assert_eq!(stored.size, content.byte_len() as u64);
            let found = bench.manager.retrieve("k").await.unwrap();
            assert_eq!(found.content, content);
            assert_eq!(found.stored, stored);
            assert_eq!(found.stored.metadata["run"], 17);
            assert_eq!(found.stored.content_type, content.form().content_type());
        }
        assert_eq!(bench.blob_count().await, usize::from(place == "files"));
        assert_eq!(bench.note_count().await, 0);
    }
}

#[tokio::test]
async fn a_key_is_there_once_and_moves() {
    let bench = bench().await;
    let store =
        async |text: &str, options| bench.manager.store("k", Content::from(text), options).await;
    store("in a blob", at("files").content_type("text/markdown")).await.unwrap();
    assert_eq!(bench.manager.describe("k").await.unwrap().content_type, "text/markdown");
    assert_eq!(bench.blob_count().await, 1);
    let refused = store("again", at("records").create_only()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    let refused = store("again", at("files").create_only()).await.unwrap_err();
    assert_eq!((refused.kind(), bench.blob_count().await), (ErrorKind::AlreadyExists, 1));
    let stored = store("in a record", StoreOptions::default()).await.unwrap();
    assert_eq!(stored.location(), "records:k");
    assert_eq!((bench.blob_count().await, bench.note_count().await), (0, 0));

    assert!(bench.manager.exists("k").await.unwrap());
    assert!(bench.manager.delete("k").await.unwrap());
    assert!(!bench.manager.delete("k").await.unwrap());
    assert!(!bench.manager.exists("k").await.unwrap());
    assert_eq!(bench.manager.retrieve("k").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn streams_go_to_blobs() {
    let bench = bench().await;
    let bytes =
        |count: usize| stream::iter(0..count).map(|_| Ok(Bytes::from(vec![7; 100_000]))).boxed();
    let stored = bench.manager.store_stream("s", bytes(30), at("files")).await.unwrap();
    assert_eq!((stored.size, stored.form), (3_000_000, Form::Bytes));
    let opened = bench.manager.open("s").await.unwrap();
    let read: Vec<Bytes> = opened.bytes.try_collect().await.unwrap();
    assert_eq!(read.concat().len(), 3_000_000);
    let refused = bench.manager.store_stream("s", bytes(1), at("records")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);

    let broken = stream::iter([
        Ok(Bytes::from_static(b"some")),
        Err(Error::new(ErrorKind::Unavailable, "read", "the line is cut")),
    ]);
    let failed = bench.manager.store_stream("s", broken.boxed(), at("files")).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert_eq!(bench.manager.describe("s").await.unwrap(), stored);
    assert_eq!((bench.blob_count().await, bench.note_count().await), (1, 0));
}

#[tokio::test]
async fn hostile_keys_are_ids_and_nothing_else() {
    let bench = bench().await;
    for key in ["../../etc/passwd", "/abs", "a/b", "..", "x' OR '1'='1", "ключ", "a.meta.json"]
    {
        for place in ["records", "files"] {
            bench.manager.store(key, Content::from(key), at(place)).await.unwrap();
            assert_eq!(bench.manager.retrieve(key).await.unwrap().content, Content::from(key));
        }
    }
    for key in ["", "a\nb", "a\0b", &"x".repeat(256)] {
        let refused = bench.manager.store(key, Content::from("x"), at("files")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{key:?}");
        assert_eq!(bench.manager.retrieve(key).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let names = std::fs::read_dir(bench.folder.path()).unwrap().count();
    assert_eq!((names, bench.blob_count().await), (1, 7));
}

#[tokio::test]
async fn what_no_record_can_hold_is_refused_and_leaves_nothing() {
    let bench = bench().await;
    let large = Content::from(vec![1; MAX_RECORD_BYTES + 1]);
    let nul = StoreOptions::default().metadata("a", "\0").unwrap();
    let cases = [
        (large, at("records"), ErrorKind::LimitExceeded),
        (Content::from("a\0b"), at("records"), ErrorKind::Invalid),
        (Content::from("x"), nul.clone(), ErrorKind::Invalid),
        (Content::from("x"), nul.at("files"), ErrorKind::Invalid),
        (Content::from("x"), at("redis"), ErrorKind::Invalid),
    ];
    for (content, options, kind) in cases {
        let refused = bench.manager.store("k", content, options).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
    }
    assert!(!bench.manager.exists("k").await.unwrap());
    assert_eq!((bench.blob_count().await, bench.note_count().await), (0, 0));
    bench.manager.store("k", Content::from("a\0b"), at("files")).await.unwrap();
    let largest = Content::from(vec![1; MAX_RECORD_BYTES]);
    bench.manager.store("l", largest.clone(), at("records")).await.unwrap();
    assert_eq!(bench.manager.retrieve("l").await.unwrap().content, largest);
}

#[tokio::test]
async fn keys_are_listed_by_their_beginning() {
    let bench = bench().await;
    for key in ["a/1", "a/2", "a/3", "ab", "b"] {
        bench.manager.store(key, Content::from(key), StoreOptions::default()).await.unwrap();
    }
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = bench.manager.list("a/", 2, after).await.unwrap();
        assert!(page.stored.len() <= 2);
        keys.extend(page.stored.into_iter().map(|stored| stored.key));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(keys, ["a/1", "a/2", "a/3"]);
    assert_eq!(bench.manager.list("", 10, None).await.unwrap().stored.len(), 5);
    assert_eq!(bench.manager.count("a").await.unwrap(), 4);
}

#[tokio::test]
async fn damage_is_found() {
    let bench = bench().await;
    bench.manager.store("k", Content::from("some bytes"), at("files")).await.unwrap();
    let blob = bench.blobs.list(None, PageLimit::MAX).await.unwrap()[0].key;
    let text = blob.to_string();
    let file = bench.folder.path().join("blobs").join(&text[..2]).join(&text);
    std::fs::write(&file, "sOme bytes").unwrap();
    assert_eq!(bench.manager.retrieve("k").await.unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(bench.manager.retrieve("k").await.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// A stream that ends its writer in the middle, as a kill would.
#[tokio::test]
async fn what_a_dropped_writer_left_is_swept() {
    let bench = bench().await;
    let endless = stream::iter([Ok(Bytes::from_static(b"some"))]).chain(stream::pending());
    let write = bench.manager.store_stream("k", endless.boxed(), at("files"));
    tokio::select! {
        biased;
        _ = write => panic!("an endless write ended"),
        () = async { while bench.note_count().await == 0 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(bench.note_count().await, 1);
    let hour = Duration::from_secs(3_600);
    assert_eq!(bench.manager.sweep(hour).await.unwrap(), Swept::default());
    bench.clock.advance(hour);
    let condemned = Swept { condemned: 1, removed: 0 };
    assert_eq!(bench.manager.sweep(hour).await.unwrap(), condemned);
    assert_eq!(bench.manager.sweep(hour).await.unwrap(), Swept::default());
    bench.clock.advance(hour);
    let removed = Swept { condemned: 0, removed: 1 };
    assert_eq!(bench.manager.sweep(hour).await.unwrap(), removed);
    assert_eq!((bench.note_count().await, bench.blob_count().await), (0, 0));
}

/// The sweeper takes the note of a write that goes on: the write fails and leaves nothing.
#[tokio::test]
async fn a_writer_that_is_later_than_the_sweeper_fails() {
    let bench = bench().await;
    let (manager, clock) = (bench.manager.clone(), bench.clock.clone());
    let late = stream::once(async move {
        clock.advance(Duration::from_secs(2));
        let swept = manager.sweep(Duration::from_secs(1)).await?;
        assert_eq!(swept.condemned, 1);
        Ok(Bytes::from_static(b"late"))
    });
    let failed = bench.manager.store_stream("k", late.boxed(), at("files")).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "{failed}");
    assert!(!bench.manager.exists("k").await.unwrap());
    assert_eq!((bench.note_count().await, bench.blob_count().await), (0, 0));
}

/// Many writers of one key: one of their contents stays, whole, and no blob without a record.
#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_key_leave_one_content() {
    let bench = bench().await;
    let writers = (0..12).map(|at_number| {
        let manager = bench.manager.clone();
        tokio::spawn(async move {
            let place = if at_number % 3 == 0 { "records" } else { "files" };
            let content = Content::from(format!("content {at_number}").as_str());
            match at_number % 4 {
                3 => manager.delete("k").await.map(|_| ()),
                _ => manager.store("k", content, at(place)).await.map(|_| ()),
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        if let Err(error) = writer.await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
    }
    let expected = match bench.manager.retrieve("k").await {
        Ok(found) => usize::from(found.stored.place == "files"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            0
        }
    };
    assert_eq!((bench.blob_count().await, bench.note_count().await), (expected, 0));
}

#[tokio::test]
async fn places_are_checked_when_it_is_built() {
    let bench = bench().await;
    let builder = || StorageManager::builder(bench.store.clone(), "kept");
    for wrong in [builder(), builder().records(""), builder().records("a").records("a")] {
        assert_eq!(wrong.build().unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let bad = StorageManager::builder(bench.store.clone(), "Not a name").records("a").build();
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::Invalid);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_stored_comes_back(key in "\\PC{1,40}", bytes in prop::collection::vec(any::<u8>(), 0..3_000), blob: bool) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = bench().await;
            let place = if blob { "files" } else { "records" };
            let text = String::from_utf8_lossy(&bytes).replace('\0', "");
            for content in [Content::from(bytes.clone()), Content::from(text.as_str())] {
                bench.manager.store(&key, content.clone(), at(place)).await.unwrap();
                assert_eq!(bench.manager.retrieve(&key).await.unwrap().content, content);
            }
        });
    }
}
