//! What two at work at the same time must not do to each other, and what a
//! changed configuration must not do to a store.

use repo_core::Filter;

use super::{document, schemas};
use crate::index::{Indexes, usable};

#[test]
fn a_write_while_an_index_is_filled_is_in_it() {
    let declared = schemas();
    let schema = declared.iter().next().unwrap();
    let mut indexes = Indexes::new(schema);
    let unchanged = document("a", 2);
    indexes.replace("a", Some(&unchanged), Some(&document("a", 4)));
    indexes.complete = true;
    let usable = usable(schema, &Filter::parse(r#"{"status": "EVEN"}"#).unwrap());
    let (_, ids) = indexes.candidates(&usable).unwrap();
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["a"]);
}
