//! Transactions that a lease protects.

use repo_core::{Document, ErrorKind, FieldPath, RetryPolicy, Transaction, transaction};
use repo_lease::LeaseMode;

use crate::common::{item, number, put, refused, stored};
use crate::party::{TTL, World, assert_lost};

on_every_store![
    a_transaction_of_a_late_holder_is_refused_at_once,
    a_transaction_is_tried_again_for_what_it_read,
];

fn document(number: u64) -> Document {
    Document::parse(&format!(r#"{{"id":"a","n":{number}}}"#)).unwrap()
}

/// It is not tried again: no further run makes a lost lease hold.
async fn a_transaction_of_a_late_holder_is_refused_at_once(world: World) {
    let (one, other) = (world.party("one"), world.party("other"));
    let late = one.alone().await;
    let mut begun = Transaction::begin(world.store.clone());
    late.protect(&mut begun).unwrap();
    begun.save(item("a"), document(1));
    other.is_kept_away(LeaseMode::Exclusive).await;
    other.waits(TTL);
    let lease = other.alone().await;

    let error = refused(begun.commit().await);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(late.is_lost(&error));
    let mut runs = 0;
    let answer = transaction(&world.store, RetryPolicy::default(), async |tx| {
        runs += 1;
        late.protect(tx)?;
        tx.save(item("a"), document(2));
        Ok(())
    })
    .await;
    assert_eq!((refused(answer).kind(), runs), (ErrorKind::Conflict, 1));
    assert_eq!(stored(&world.store, "a").await, None);
    // Not by two holders of one lease.
    let mut both = Transaction::begin(world.store.clone());
    late.protect(&mut both).unwrap();
    assert_eq!(refused(lease.protect(&mut both)).kind(), ErrorKind::Invalid);
    assert_lost(&late, late.renew().await);
    lease.release().await.unwrap();
}

/// Beside a lease that holds, a conflict is what it always is.
async fn a_transaction_is_tried_again_for_what_it_read(world: World) {
    let lease = world.party("one").alone().await;
    lease.commit(vec![put("a", 1)]).await.unwrap();
    let mut runs = 0;
    transaction(&world.store, RetryPolicy::default(), async |tx| {
        runs += 1;
        lease.protect(tx)?;
        let read = tx.get(&item("a")).await?.unwrap();
        if runs == 1 {
            world.store.commit(vec![put("a", 5)]).await?;
        }
        let n: u64 = read.get_text(&FieldPath::parse("n")?).unwrap().parse().unwrap();
        tx.save(item("a"), document(n + 1));
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!((number(&stored(&world.store, "a").await.unwrap()), runs), (6, 2));
    lease.release().await.unwrap();
}
