use super::*;

#[test]
fn sums_carry_and_undo() {
    let max = Sum([u64::MAX; 4]);
    let one = Sum([1, 0, 0, 0]);
    assert_eq!(max.plus(one), Sum::default());
    assert_eq!(Sum::default().minus(one), max);
    assert_eq!(Sum([u64::MAX, 0, 0, 0]).plus(one), Sum([0, 1, 0, 0]));
    let some = Sum::of(blake3::hash(b"some").as_bytes());
    assert_eq!(some.plus(max).minus(max), some);
    assert_eq!(some.minus(some), Sum::default());
}

#[test]
fn a_sum_reads_as_one_number() {
    assert_eq!(Sum([0x1f, 0, 0, 2]).to_string(), format!("{:016x}{:048x}", 2, 0x1f));
}

fn print(bucket: u64, content: u64) -> Fingerprint {
    Fingerprint {
        id_hash: bucket,
        content: Sum([content, 0, 0, 0]),
        times: 1,
        live: true,
        counts: true,
    }
}

fn sums(records: impl Iterator<Item = u64>) -> Sums {
    let mut sums = Sums::new();
    records.for_each(|n| sums.add(&print(n * 7, n + 1)));
    sums
}

/// Thousands of collections of one record each must not take half a
/// mebibyte each.
#[test]
fn a_few_records_take_little_memory() {
    let few = sums(0..FEW as u64);
    assert!(matches!(&few.buckets, Buckets::Few(few) if few.capacity() <= 2 * FEW));
    assert!(matches!(sums(0..FEW as u64 + 1).buckets, Buckets::All(_)));
}

#[test]
fn sums_are_the_same_in_either_form_and_however_they_came_about() {
    for count in [0, 1, 500, FEW as u64, FEW as u64 + 1, 3_000] {
        let all = sums(0..count);
        let mut merged = sums(count / 3..count);
        merged.merge(&sums(0..count / 3));
        assert_eq!(all, merged, "{count}");
        let total = count * (count + 1) / 2;
        assert_eq!(all.total(), Sum([total, 0, 0, 0]), "{count}");
        assert_eq!((0..BUCKETS).fold(Sum::default(), |t, b| t.plus(all.sum_of(b))), all.total());
        let kept = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Sums>(&kept).unwrap(), all, "{count}");
    }
}

/// A comparison that an earlier version of the tool began is resumed.
#[test]
fn sums_that_were_kept_as_a_whole_list_are_read() {
    let list = vec![[0_u64, 0, 0, 1]; BUCKETS];
    let kept = serde_json::json!({"buckets": list, "times": 5, "records": 2, "tombstones": 1});
    let read: Sums = serde_json::from_value(kept).unwrap();
    assert_eq!(read.sum_of(BUCKETS - 1), Sum([0, 0, 0, 1]));
    assert_eq!((read.records, read.live()), (2, 1));
}
