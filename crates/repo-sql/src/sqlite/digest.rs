//! The digest that stands beside each record, so that bytes which the disk changed
//! are found.
//!
//! XXH3 (64 bit) of five words of fixed size, which leaves no doubt about where one
//! ends: version, time of change, live or not, and the XXH3 of id and document, as
//! they are stored. The time of creation is added bit by bit (exclusive or), which SQL
//! can do as well: a conditional update keeps that time without knowing it. Digests
//! are in files, so none of this may ever change.

use twox_hash::XxHash3_64;

/// What a digest is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) id: &'a str,
    pub(super) version: i64,
    pub(super) updated_at: i64,
    /// `None` for a tombstone.
    pub(super) document: Option<&'a str>,
}

impl Signed<'_> {
    /// The digest of a record that was created in microsecond 0.
    pub(super) fn without_creation(&self) -> i64 {
        let hash = |text: &str| XxHash3_64::oneshot(text.as_bytes()).to_le_bytes();
        let words = [
            self.version.to_le_bytes(),
            self.updated_at.to_le_bytes(),
            u64::from(self.document.is_some()).to_le_bytes(),
            hash(self.id),
            hash(self.document.unwrap_or_default()),
        ];
        i64::from_le_bytes(XxHash3_64::oneshot(words.as_flattened()).to_le_bytes())
    }

    /// The digest. A tombstone has no time of creation.
    pub(super) fn digest(&self, created_at: i64) -> i64 {
        let created_at = if self.document.is_some() { created_at } else { 0 };
        self.without_creation() ^ created_at
    }
}

/// SQL for the digest of a live record, from the number without its time of creation.
/// SQLite has no exclusive or; this is the same for every pair of numbers, and never
/// leaves 64 bits.
pub(super) fn with_creation(number: &str, created_at: &str) -> String {
    format!("({number} | {created_at}) - ({number} & {created_at})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: Signed<'_> =
        Signed { id: "a", version: 7, updated_at: 1_000, document: Some("{\"id\":\"a\"}") };

    /// Stores hold such numbers.
    #[test]
    fn digests_stay_what_they_are() {
        assert_eq!(LIVE.digest(900), 8_312_324_892_391_159_442);
        let dead = Signed { document: None, ..LIVE };
        assert_eq!(dead.digest(900), 2_517_333_155_991_463_794);
    }

    #[test]
    fn every_part_counts() {
        let mut seen = vec![LIVE.digest(900), LIVE.digest(901)];
        for other in [
            Signed { id: "b", ..LIVE },
            Signed { version: 8, ..LIVE },
            Signed { updated_at: 1_001, ..LIVE },
            Signed { document: Some("{\"id\":\"A\"}"), ..LIVE },
            Signed { document: Some(""), ..LIVE },
            Signed { document: None, ..LIVE },
            // What ends one part and begins the next.
            Signed { id: "a{", document: Some("\"id\":\"a\"}"), ..LIVE },
        ] {
            seen.push(other.digest(900));
        }
        let many = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), many);
        let dead = Signed { document: None, ..LIVE };
        assert_eq!(dead.digest(900), dead.digest(901));
    }

    #[test]
    fn sqlite_adds_the_time_as_this_program_does() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let sql = format!("SELECT {}", with_creation("?1", "?2"));
        let ends = [0, 1, -1, 900, i64::MIN, i64::MAX, i64::MIN + 1];
        for (number, created_at) in ends.iter().flat_map(|a| ends.map(|b| (*a, b))) {
            let sum: i64 = sqlite.query_row(&sql, [number, created_at], |row| row.get(0)).unwrap();
            assert_eq!(sum, number ^ created_at);
        }
    }
}
