//! Search by each operator.

use crate::common::Place;
use crate::common::refused::{kind, refusal, text};
use crate::common::story::long;
use repo_core::ErrorKind;
use repo_data::model::Json;
use repo_data::{Criterion, EntryFilter, NewEntry, Refusal, Search, SearchOperator};

#[tokio::test]
async fn search_finds_by_each_operator() {
    use SearchOperator as Op;
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, content, size) in
        [("alpha.txt", "the cat", 1), ("beta.md", "the dog", 5), ("gamma.txt", "a bird", 9)]
    {
        let metadata = Some(Json::parse(&format!("{{\"size\":{size}}}")).unwrap());
        let tags = vec![name[..1].to_owned()];
        service.create_entry(NewEntry { metadata, tags, ..text(name, content) }).await.unwrap();
    }
    let criterion = |field: &str, operator, value: &str| Criterion {
        field: field.into(),
        operator,
        value: Json::parse(value).unwrap(),
    };
    let search = |criteria, any| Search {
        within: EntryFilter::default(),
        criteria,
        any,
        limit: 10,
        offset: 0,
    };
    let found = async |criteria, any| {
        let found = service.search(&search(criteria, any)).await.unwrap();
        let mut names: Vec<String> =
            found.into_iter().map(|found| found.value.name[..1].to_owned()).collect();
        names.sort();
        names.concat()
    };
    for (field, operator, value, expected) in [
        ("name", Op::Equals, "\"beta.md\"", "b"),
        ("name", Op::StartsWith, "\"ga\"", "g"),
        ("name", Op::EndsWith, "\".txt\"", "ag"),
        ("name", Op::In, "[\"alpha.txt\",\"beta.md\"]", "ab"),
        ("content", Op::Contains, "\"the\"", "ab"),
        ("text", Op::Contains, "\"bird\"", "g"),
        ("tags", Op::Contains, "\"a\"", "a"),
        ("metadata.size", Op::GreaterThan, "1", "bg"),
        ("metadata.size", Op::LessThan, "5", "a"),
        ("metadata.size", Op::Between, "[1,5]", "ab"),
        ("user_id", Op::Equals, "\"ada\"", "abg"),
    ] {
        assert_eq!(
            found(vec![criterion(field, operator, value)], false).await,
            expected,
            "{field} {operator:?}"
        );
    }
    let two = || {
        vec![
            criterion("tags", Op::Contains, "\"a\""),
            criterion("content", Op::Contains, "\"dog\""),
        ]
    };
    assert_eq!(found(two(), true).await, "ab");
    assert_eq!(found(two(), false).await, "");
    for (field, operator, value) in [
        ("owner_secret", Op::Equals, "1"),
        ("name", Op::Between, "[1]"),
        ("name", Op::In, "1"),
        ("_version", Op::Equals, "1"),
    ] {
        let refused = service.search(&search(vec![criterion(field, operator, value)], false)).await;
        assert_eq!(kind(refused), ErrorKind::Invalid);
    }
    service.create_entry(text("long", &long("the cat"))).await.unwrap();
    assert_eq!(refusal(service.search(&search(two(), true)).await), Refusal::SpilledValue);
    assert_eq!(found(two(), false).await, "", "the other condition leaves the long text out");
}
