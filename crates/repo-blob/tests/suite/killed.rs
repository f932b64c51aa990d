//! A process is killed while it writes: what it acknowledged is there, and nothing is half.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{FolderPlace, files_below};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use repo_blob::testkit::BlobPlace as _;
use repo_blob::{
    BlobDigest, BlobKey, BlobStore as _, ByteStream, Expected, FolderBlobs, PageLimit,
};

const FOLDER: &str = "REPO_BLOB_KILLED_FOLDER";
const CHUNK: &[u8] = &[7; 64 * 1024];
const CHUNKS: usize = 40;

fn content() -> ByteStream<'static> {
    stream::iter((0..CHUNKS).map(|_| Ok(Bytes::from_static(CHUNK)))).boxed()
}

/// The process that is killed: four writers that say each key when it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the other test"]
async fn writes_until_it_is_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let blobs = FolderBlobs::open(Path::new(&folder)).await.unwrap();
    let writer = async || loop {
        let key = BlobKey::random().unwrap();
        blobs.put(&key, content(), &Expected::NOTHING).await.unwrap();
        writeln!(std::io::stdout(), "acknowledged {key}").unwrap();
    };
    join_all((0..4).map(|_| writer())).await;
}

/// Kills a writing process after so many blobs, and gives those that it acknowledged.
fn killed_after(count: usize, folder: &Path) -> Vec<BlobKey> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "killed::writes_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut keys = lines.filter_map(|line| {
        line.split_once("acknowledged ").map(|(_, key)| key.parse::<BlobKey>().unwrap())
    });
    let mut acknowledged: Vec<_> = keys.by_ref().take(count).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(keys);
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_is_whole_and_the_rest_is_not_there() {
    let place = FolderPlace::new();
    let whole = BlobDigest::of(&CHUNK.repeat(CHUNKS));
    for count in [1, 5, 12] {
        let acknowledged = killed_after(count, &place.folder());
        assert!(acknowledged.len() >= count);
        let blobs = place.open().await.unwrap();
        for key in &acknowledged {
            blobs.verify(key, &whole).await.unwrap();
        }
        for entry in blobs.list(None, PageLimit::MAX).await.unwrap() {
            blobs.verify(&entry.key, &whole).await.unwrap();
            blobs.delete(&entry.key).await.unwrap();
        }
        let left = files_below(&place.folder().join(".incoming")) as u64;
        assert!(left <= 8, "{left}");
        assert_eq!(blobs.remove_leftovers(Duration::ZERO).await.unwrap(), left);
    }
}
