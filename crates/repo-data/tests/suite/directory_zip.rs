//! Zips: streamed, listed, unpacked, and hostile ones.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;
use repo_core::{Error, ErrorKind, Result};
use repo_data::directory::{
    NodeKind, ZipContent, ZipEntry, ZipLimits, ZipMember, list_zip, unpack_zip, zip_stream,
};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn file(path: &str, bytes: &[u8]) -> Result<ZipMember> {
    let pieces: Vec<_> = bytes.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let content = ZipContent::File(stream::iter(pieces).boxed());
    Ok(ZipMember { path: path.parse().unwrap(), content })
}

fn directory(path: &str) -> Result<ZipMember> {
    Ok(ZipMember { path: path.parse().unwrap(), content: ZipContent::Directory })
}

async fn zipped(members: Vec<Result<ZipMember>>) -> Result<Vec<u8>> {
    let blocks: Vec<Bytes> = zip_stream(stream::iter(members).boxed()).try_collect().await?;
    Ok(blocks.concat())
}

fn list(zip: &[u8]) -> Result<Vec<ZipEntry>> {
    list_zip(Cursor::new(zip), &ZipLimits::default())
}

#[tokio::test]
async fn what_was_zipped_is_unpacked() {
    let long = vec![7; 300_000];
    let members = vec![
        file("a.txt", b"first"),
        directory("empty"),
        file("d/e/long", &long),
        file("nil", b""),
    ];
    let zip = zipped(members).await.unwrap();
    let entries = list(&zip).unwrap();
    let listed: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
    let expected = [
        ("a.txt", NodeKind::File { size: 5 }),
        ("empty", NodeKind::Directory),
        ("d/e/long", NodeKind::File { size: 300_000 }),
        ("nil", NodeKind::File { size: 0 }),
    ];
    assert_eq!(listed, expected);

    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new");
    assert_eq!(unpack_zip(Cursor::new(&zip), &target, &ZipLimits::default()).unwrap(), entries);
    assert_eq!(std::fs::read(target.join("a.txt")).unwrap(), b"first");
    assert_eq!(std::fs::read(target.join("d/e/long")).unwrap(), long);
    assert!(target.join("empty").is_dir());
    let mode = |path: &str| target.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a.txt"), mode("d/e")), (0o600, 0o700));
    let again = unpack_zip(Cursor::new(&zip), &target, &ZipLimits::default()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    assert!(target.join("a.txt").exists());
}

#[tokio::test]
async fn the_same_members_give_the_same_bytes() {
    let once = zipped(vec![file("a", b"x"), file("b", b"y")]).await.unwrap();
    assert_eq!(once, zipped(vec![file("a", b"x"), file("b", b"y")]).await.unwrap());
    let nothing = zipped(vec![]).await.unwrap();
    assert_eq!(list(&nothing).unwrap(), []);
}

#[tokio::test]
async fn an_error_ends_the_zip() {
    let broken = || Error::new(ErrorKind::Corrupt, "get", "there are fewer bytes");
    let bytes = stream::iter([Ok(Bytes::from("some")), Err(broken())]).boxed();
    let member = ZipMember { path: "a".parse().unwrap(), content: ZipContent::File(bytes) };
    assert_eq!(zipped(vec![Ok(member)]).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(zipped(vec![Err(broken())]).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let twice = zipped(vec![file("a", b""), file("a", b"")]).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Invalid);
}

/// A file of a gigabyte goes through, and no more of it is asked for than is needed.
#[tokio::test]
async fn bytes_are_asked_for_when_they_are_needed() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    let mut noise = 1_u64;
    let bytes = stream::iter(0..1024).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let block = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 33) as u8
        });
        Ok(block.take(64 * 1024).collect::<Bytes>())
    });
    let member = ZipMember { path: "a".parse().unwrap(), content: ZipContent::File(bytes.boxed()) };
    let mut zip = zip_stream(stream::iter([Ok(member)]).boxed());
    for block in 1..=5 {
        assert!(zip.try_next().await.unwrap().unwrap().len() < 256 * 1024);
        assert!(asked.load(Ordering::Relaxed) <= 4 * block);
    }
}

/// A zip of the `zip` crate, made with whatever names.
fn foreign(names: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, bytes) in names {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn replaced(mut zip: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut at = 0;
    while let Some(found) = zip[at..].windows(from.len()).position(|bytes| bytes == from) {
        zip[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    zip
}

#[test]
fn paths_that_leave_are_refused_and_write_nothing() {
    let names: [&[u8]; 7] =
        [b"../evil", b"/abs/ev", b"a/../ev", b"a//evil", b"a\\..\\ev", b"a\0evil", b"./evil!"];
    for name in names {
        let placeholder = "#".repeat(name.len());
        let zip = replaced(foreign(&[(&placeholder, b"x")]), placeholder.as_bytes(), name);
        let error = list(&zip).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("in/new");
        std::fs::create_dir(folder.path().join("in")).unwrap();
        assert!(unpack_zip(Cursor::new(&zip), &target, &ZipLimits::default()).is_err());
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((left, target.exists()), (1, false));
    }
}

#[test]
fn links_and_conflicts_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link = writer.finish().unwrap().into_inner();
    let twice = replaced(foreign(&[("aa", b"1"), ("bb", b"2")]), b"bb", b"aa");
    let cases = [
        link,
        twice,
        foreign(&[("a", b"1"), ("a/b", b"2")]),
        foreign(&[("a/b", b"2"), ("a", b"1")]),
        replaced(foreign(&[("a-", b"bytes")]), b"a-", b"a/"),
        b"no zip at all".to_vec(),
        Vec::new(),
    ];
    for (at, zip) in cases.iter().enumerate() {
        assert_eq!(list(zip).expect_err(&at.to_string()).kind(), ErrorKind::Invalid);
    }
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 1_000_000];
    let zip = foreign(&[("a", &zeros), ("b", &zeros)]);
    let limits = ZipLimits { total_bytes: 1_500_000, ..ZipLimits::default() };
    let kind =
        |zip: &[u8], limits: &ZipLimits| list_zip(Cursor::new(zip), limits).unwrap_err().kind();
    assert_eq!(kind(&zip, &limits), ErrorKind::LimitExceeded);
    assert_eq!(
        kind(&zip, &ZipLimits { members: 1, ..ZipLimits::default() }),
        ErrorKind::LimitExceeded
    );
    let short = ZipLimits { list_bytes: 60, ..ZipLimits::default() };
    assert_eq!(kind(&zip, &short), ErrorKind::LimitExceeded);

    // Two members with the same bytes.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", SimpleFileOptions::default()).unwrap();
    writer.write_all(&zeros).unwrap();
    writer.shallow_copy_file("a", "b").unwrap();
    let shared = writer.finish().unwrap().into_inner();
    assert_eq!(kind(&shared, &ZipLimits::default()), ErrorKind::Invalid);

    // A member that is longer than the zip says.
    let size = 1_000_000_u32.to_le_bytes();
    let lying = replaced(foreign(&[("a", &zeros)]), &size, &5_u32.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new");
    let error = unpack_zip(Cursor::new(&lying), &target, &ZipLimits::default()).unwrap_err();
    assert_eq!((error.kind(), target.exists()), (ErrorKind::Invalid, false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_zip_is_refused_or_stays_inside(
        at in 0_usize..400, with: u8, cut in 0_usize..400,
    ) {
        let mut zip = foreign(&[("dir/a", b"some bytes"), ("dir/b", &[5; 90]), ("c", b"")]);
        let length = zip.len();
        zip[at % length] = with;
        if cut < length {
            zip.truncate(length - cut / 20);
        }
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("in/new");
        std::fs::create_dir(folder.path().join("in")).unwrap();
        let unpacked = unpack_zip(Cursor::new(&zip), &target, &ZipLimits::default());
        prop_assert_eq!(unpacked.is_ok(), target.exists());
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        prop_assert_eq!(std::fs::read_dir(folder.path().join("in")).unwrap().count(), usize::from(unpacked.is_ok()));
    }

    #[test]
    fn whatever_is_zipped_comes_back(
        files in prop::collection::btree_map("[a-z]{1,3}", prop::collection::vec(any::<u8>(), 0..2_000), 0..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let members = files.iter().map(|(name, bytes)| file(&format!("d/{name}"), bytes)).collect();
        let zip = runtime.block_on(zipped(members)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new");
        let entries = unpack_zip(Cursor::new(&zip), &target, &ZipLimits::default()).unwrap();
        prop_assert_eq!(entries.len(), files.len());
        for (name, bytes) in &files {
            prop_assert_eq!(&std::fs::read(target.join("d").join(name)).unwrap(), bytes);
        }
    }
}
