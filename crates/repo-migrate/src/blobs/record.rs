//! What a record of the collection `blobs` says.

use repo_core::CollectionName;
use repo_core::strategy::Record;
use serde::Deserialize;

/// The collection whose records say what each blob is. The id of a record is the blob's key.
pub(crate) const COLLECTION: &str = "blobs";

/// Its name.
pub(crate) fn collection() -> repo_core::Result<CollectionName> {
    CollectionName::new(COLLECTION)
}

/// Digits of a key.
const KEY_DIGITS: usize = 32;
/// Digits of a SHA-256 digest.
const SHA256_DIGITS: usize = 64;

/// A record of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlobRecord {
    /// Its bytes are needed: it is `active`, or `condemned` and can still be restored.
    Needed(NeededBlob),
    /// An upload that has not ended: it has no blob yet.
    Pending,
    /// Its bytes are being removed.
    Deleting,
}

/// A blob whose bytes are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NeededBlob {
    /// Its key: 32 lower-case hexadecimal digits.
    pub(crate) key: String,
    /// The name of its store.
    pub(crate) store: String,
    /// Bytes.
    pub(crate) size: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub(crate) sha256: String,
}

#[derive(Deserialize)]
struct Fields {
    state: State,
    store: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum State {
    Pending,
    Active,
    Condemned,
    Deleting,
}

impl NeededBlob {
    /// Whether a text is a key.
    pub(crate) fn is_key(text: &str) -> bool {
        is_hex(text, KEY_DIGITS)
    }

    /// Whether a text is a SHA-256 digest.
    pub(crate) fn is_sha256(text: &str) -> bool {
        is_hex(text, SHA256_DIGITS)
    }
}

impl BlobRecord {
    /// Reads a record; none for a tombstone.
    ///
    /// # Errors
    /// Why it is no record of a blob, in words.
    pub(crate) fn read(record: &Record) -> Result<Option<Self>, String> {
        let Record::Live(entity) = record else { return Ok(None) };
        let fields: Fields = entity.document.deserialize().map_err(|_| {
            "its state is none of pending, active, condemned and deleting, or a field is of \
             another type"
                .to_owned()
        })?;
        match fields.state {
            State::Pending => return Ok(Some(Self::Pending)),
            State::Deleting => return Ok(Some(Self::Deleting)),
            State::Active | State::Condemned => {}
        }
        let key = entity.id.as_str();
        if !NeededBlob::is_key(key) {
            return Err("its id is not 32 lower-case hexadecimal digits".to_owned());
        }
        let missing = |what: &str| format!("it has no {what}, which one in its state has");
        let sha256 = fields.sha256.ok_or_else(|| missing("sha256"))?;
        if !NeededBlob::is_sha256(&sha256) {
            return Err("its sha256 is not 64 lower-case hexadecimal digits".to_owned());
        }
        Ok(Some(Self::Needed(NeededBlob {
            key: key.to_owned(),
            store: fields.store.ok_or_else(|| missing("store"))?,
            size: fields.size.ok_or_else(|| missing("size"))?,
            sha256,
        })))
    }
}

/// Whether a text is so many lower-case hexadecimal digits.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use repo_core::{Document, Entity, Timestamp, Version};

    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff";

    fn record(id: &str, fields: &str) -> Record {
        let document = Document::parse(&format!("{{\"id\":\"{id}\"{fields}}}")).unwrap();
        let time = Timestamp::from_micros(1).unwrap();
        Record::Live(Entity {
            collection: collection().unwrap(),
            id: id.parse().unwrap(),
            version: Version::FIRST,
            created_at: time,
            updated_at: time,
            document,
        })
    }

    #[test]
    fn active_and_condemned_blobs_need_their_bytes() {
        let sha256 = "0".repeat(64);
        for state in ["active", "condemned"] {
            let fields = format!(
                ",\"state\":\"{state}\",\"store\":\"main\",\"size\":3,\"sha256\":\"{sha256}\",\"x\":1"
            );
            let needed = NeededBlob {
                key: KEY.to_owned(),
                store: "main".to_owned(),
                size: 3,
                sha256: sha256.clone(),
            };
            let read = BlobRecord::read(&record(KEY, &fields)).unwrap();
            assert_eq!(read, Some(BlobRecord::Needed(needed)));
        }
        let read = |state: &str| {
            BlobRecord::read(&record(KEY, &format!(",\"state\":\"{state}\",\"store\":\"main\"")))
        };
        assert_eq!(read("pending"), Ok(Some(BlobRecord::Pending)));
        assert_eq!(read("deleting"), Ok(Some(BlobRecord::Deleting)));
    }

    #[test]
    fn what_is_no_record_of_a_blob_is_told_why() {
        let good = format!(
            ",\"state\":\"active\",\"store\":\"m\",\"size\":3,\"sha256\":\"{}\"",
            "0".repeat(64)
        );
        assert!(BlobRecord::read(&record("../x", &good)).unwrap_err().contains("its id"));
        for (part, other, why) in [
            ("\"active\"", "\"lost\"", "its state"),
            ("\"size\":3", "\"size\":-3", "another type"),
            ("\"size\":3", "\"extent\":3", "no size"),
            ("\"store\"", "\"place\"", "no store"),
            ("\"sha256\":\"00", "\"sha256\":\"0Z", "its sha256"),
            ("\"sha256\"", "\"sha1\"", "no sha256"),
        ] {
            let read = BlobRecord::read(&record(KEY, &good.replace(part, other)));
            assert!(read.unwrap_err().contains(why), "{other}");
        }
    }
}
