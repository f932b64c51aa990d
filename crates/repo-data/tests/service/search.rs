//! Search by each operator.

use crate::common::Place;
use crate::common::refused::{kind, text};
use crate::common::story::long;
use repo_core::ErrorKind;
use repo_data::model::Json;
use repo_data::{Criterion, EntryFilter, NewEntry, Search, SearchOperator};

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
}

/// Texts of any size are searched: one that is in a blob is looked into.
#[tokio::test]
async fn large_texts_are_searched_too() {
    use SearchOperator as Op;
    let place = Place::memory().await;
    let service = place.open().await;
    for (name, content) in [
        ("a", "a cat".to_owned()),
        ("b", long("a dog")),
        ("c", long("a cat")),
        ("d", "a dog".to_owned()),
        ("e", long("a dog and a cat")),
    ] {
        let tags = vec![if name < "d" { "first" } else { "last" }.to_owned()];
        service.create_entry(NewEntry { tags, ..text(name, &content) }).await.unwrap();
    }
    let found = async |criteria: &[(&str, &str)], any, offset, limit| {
        let criterion = |(field, value): &(&str, &str)| Criterion {
            field: (*field).to_owned(),
            operator: Op::Contains,
            value: Json::parse(&format!("{value:?}")).unwrap(),
        };
        let criteria = criteria.iter().map(criterion).collect();
        let search = Search { within: EntryFilter::default(), criteria, any, limit, offset };
        let found = service.search(&search).await.unwrap();
        found.into_iter().map(|found| found.value.name).collect::<Vec<_>>().concat()
    };
    for field in ["content", "text"] {
        assert_eq!(found(&[(field, "cat")], false, 0, 10).await, "ace");
        assert_eq!(found(&[(field, "cat")], false, 1, 1).await, "c");
        assert_eq!(found(&[(field, "cat")], false, 2, 10).await, "e");
        assert_eq!(found(&[(field, "cat"), (field, "dog")], false, 0, 10).await, "e");
        assert_eq!(found(&[(field, "cat"), ("tags", "first")], false, 0, 10).await, "ac");
        assert_eq!(found(&[(field, "cat"), ("tags", "last")], true, 0, 10).await, "acde");
        assert_eq!(found(&[(field, "bird")], false, 0, 10).await, "");
    }
}
