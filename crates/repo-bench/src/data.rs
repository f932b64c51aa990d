//! The data of all rows: machines of about 500 bytes, each made from its
//! number alone, so that both sides hold the same without keeping it.

use repo_core::strategy::Record;
use repo_core::{
    CollectionName, CollectionSchema, Document, Entity, EntityId, Key, Result, Timestamp, Version,
};

use crate::errors;

/// The collection of all rows.
pub const COLLECTION: &str = "machines";
/// The time of every record that is loaded, in microseconds since 1970.
pub(crate) const LOADED_AT: i64 = 1_770_000_000_000_000;
/// How many machines belong to one request.
pub(crate) const MACHINES_OF_A_REQUEST: usize = 10;

/// The shipped declaration of machines: four indexes.
///
/// # Errors
/// `ConfigInvalid` if it were none.
pub fn schema() -> Result<CollectionSchema> {
    CollectionSchema::parse(include_str!("../../../schemas/collections/machines.schema.json"))
}

pub(crate) fn collection() -> Result<CollectionName> {
    CollectionName::new(COLLECTION)
}

/// Every number to another one, without order (SplitMix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The id of a machine. Ids are as good as random, as those of a cloud are.
pub(crate) fn id(number: u64) -> String {
    format!("i-{:017x}", mix(number))
}

pub(crate) fn entity_id(number: u64) -> Result<EntityId> {
    EntityId::new(&id(number))
}

pub(crate) fn key(id: &str) -> Result<Key> {
    Ok(Key::new(collection()?, EntityId::new(id)?))
}

/// The request that a machine belongs to.
pub(crate) fn request_id(request: u64) -> String {
    format!("req-{request:08}")
}

/// One of `count` values of a property of a machine.
fn one_of(number: u64, what: u64, count: u64) -> u64 {
    mix(number ^ (what << 56)) % count
}

/// How many processors a machine has.
fn vcpus(number: u64) -> u64 {
    4 * (1 + one_of(number, 2, 8))
}

/// What all groups of some machines are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    machines: u64,
    vcpus: u64,
}

impl Totals {
    /// Of the first machines.
    pub(crate) fn of(machines: usize) -> Self {
        let machines = machines as u64;
        Self { machines, vcpus: (0..machines).map(vcpus).sum() }
    }

    /// Adds a group.
    pub(crate) fn add(&mut self, machines: u64, vcpus: u64) {
        self.machines += machines;
        self.vcpus += vcpus;
    }

    /// # Errors
    /// `Corrupt` where something else was found.
    pub(crate) fn expect(self, found: Self) -> Result<()> {
        errors::expect("count in groups", whole(self.machines), whole(found.machines))?;
        errors::expect("sum in groups", whole(self.vcpus), whole(found.vcpus))
    }
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The document of a machine, one line of JSON; another one for each revision.
#[must_use]
pub fn document_text(number: u64, revision: u64) -> String {
    let of = |what: u64, count: u64| one_of(number, what, count);
    let status = ["running", "running", "running", "pending", "stopping", "stopped"];
    let at = usize::try_from(mix(number ^ revision) % 6).unwrap_or(0);
    let request = request_id(number / MACHINES_OF_A_REQUEST as u64);
    format!(
        "{{\"machine_id\":\"{id}\",\"name\":\"host-{number:07}.cluster.internal\",\
         \"request_id\":\"{request}\",\"return_request_id\":null,\"template_id\":\"template-{}\",\
         \"status\":\"{}\",\"provider_api\":\"EC2Fleet\",\"instance_type\":\"m5.{}xlarge\",\
         \"image_id\":\"ami-{:016x}\",\"price_type\":\"spot\",\"vcpus\":{},\
         \"private_ip\":\"10.{}.{}.{}\",\"security_group_ids\":[\"sg-{:08x}\",\"sg-{:08x}\"],\
         \"created_at\":\"2026-03-{:02}T08:{:02}:{:02}Z\",\
         \"tags\":{{\"owner\":\"team-{}\",\"cost_center\":\"cc-{:04}\"}},\
         \"metadata\":{{\"spot_price\":0.{:04},\"revision\":{revision}}}}}",
        of(1, 40),
        status[at],
        1 + of(2, 8),
        of(3, u64::MAX),
        vcpus(number),
        of(4, 256),
        of(5, 256),
        of(6, 256),
        of(7, 1 << 32),
        of(8, 1 << 32),
        1 + of(9, 28),
        of(10, 60),
        of(11, 60),
        of(12, 50),
        of(13, 10_000),
        of(14, 10_000),
        id = id(number),
    )
}

/// A machine as it is loaded: version 1.
pub(crate) fn record(number: u64) -> Result<Record> {
    let time = Timestamp::from_micros(LOADED_AT)?;
    Ok(Record::Live(Entity {
        collection: collection()?,
        id: entity_id(number)?,
        version: Version::FIRST,
        created_at: time,
        updated_at: time,
        document: Document::parse(&document_text(number, 0))?,
    }))
}

/// The machines of these numbers.
pub(crate) fn records(numbers: std::ops::Range<usize>) -> Result<Vec<Record>> {
    numbers.map(|number| record(number as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_machines_of_about_500_bytes() {
        let schema = schema().unwrap();
        for number in [0, 9, 10, 99_999, 999_999] {
            let Record::Live(entity) = record(number).unwrap() else { unreachable!() };
            schema.check_document(&entity.id, &entity.document, 10_000).unwrap();
            let bytes = entity.document.as_str().len();
            assert!((450..=600).contains(&bytes), "{bytes}: {}", entity.document);
        }
    }

    #[test]
    fn totals_are_those_of_the_documents() {
        let mut found = Totals::default();
        for number in 0..50 {
            let document: serde_json::Value =
                serde_json::from_str(&document_text(number, 3)).unwrap();
            found.add(1, document["vcpus"].as_u64().unwrap());
        }
        assert_eq!(Totals::of(50), found);
        Totals::of(50).expect(found).unwrap();
        assert!(Totals::of(51).expect(found).is_err());
        found.add(0, 1);
        assert!(Totals::of(50).expect(found).is_err());
    }

    #[test]
    fn the_same_number_is_the_same_document_and_another_is_another() {
        assert_eq!(document_text(7, 1), document_text(7, 1));
        assert_ne!(document_text(7, 1), document_text(7, 2));
        let ids: std::collections::HashSet<String> = (0..10_000).map(id).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
