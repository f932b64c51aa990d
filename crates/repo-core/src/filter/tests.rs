#![allow(clippy::unwrap_used)]

use super::*;
use crate::Document;

fn check(filter: &str, document: &str, expected: bool) {
    let parsed = Filter::parse(filter).unwrap();
    let document = Document::parse(document).unwrap();
    assert_eq!(parsed.matches(&document), expected, "{filter} on {document}");
}

#[test]
fn each_operator_means_what_the_contract_says() {
    let document = r#"{"s":"abc","n":10,"big":12345678901234567890,"z":null,"b":true,
        "l":[1,"x",{"k":1.0}],"o":{"p":{"q":5}}}"#;
    let cases = [
        ("{}", true),
        (r#"{"s":"abc"}"#, true),
        (r#"{"s":"ABC"}"#, false),
        (r#"{"n":10.0}"#, true),
        (r#"{"n":"10"}"#, false),
        (r#"{"big":12345678901234567891}"#, false),
        (r#"{"big":{"$lt":12345678901234567891}}"#, true),
        (r#"{"z":null}"#, true),
        (r#"{"absent":null}"#, false),
        (r#"{"absent":{"$ne":null}}"#, true),
        (r#"{"z":{"$exists":true}}"#, true),
        (r#"{"absent":{"$exists":false}}"#, true),
        (r#"{"n":{"$ne":11}}"#, true),
        (r#"{"n":{"$lt":10}}"#, false),
        (r#"{"n":{"$le":10}}"#, true),
        (r#"{"n":{"$gt":9.99,"$ge":10}}"#, true),
        (r#"{"s":{"$lt":11}}"#, false),
        (r#"{"s":{"$ge":"abb"}}"#, true),
        (r#"{"b":{"$lt":2}}"#, false),
        (r#"{"b":1}"#, false),
        (r#"{"$not":{"absent":{"$lt":5}}}"#, true),
        (r#"{"absent":{"$not":{"$lt":5}}}"#, true),
        (r#"{"n":{"$in":[]}}"#, false),
        (r#"{"n":{"$in":[1,10]}}"#, true),
        (r#"{"$or":[]}"#, false),
        (r#"{"$and":[]}"#, true),
        (r#"{"$or":[{"n":1},{"s":"abc"}]}"#, true),
        (r#"{"s":{"$begins_with":"ab"}}"#, true),
        (r#"{"n":{"$begins_with":"1"}}"#, false),
        (r#"{"s":{"$contains":"bc"}}"#, true),
        (r#"{"l":{"$contains":"x"}}"#, true),
        (r#"{"l":{"$contains":{"k":1}}}"#, true),
        (r#"{"l":{"$contains":"y"}}"#, false),
        (r#"{"s":{"$regex":"B"}}"#, false),
        (r#"{"s":{"$regex":"(?i)B"}}"#, true),
        (r#"{"o.p.q":5}"#, true),
        (r#"{"l.0":1}"#, false),
        (r#"{"o":{"p":{"q":5.0}}}"#, true),
        (r#"{"o":{}}"#, false),
    ];
    for (filter, expected) in cases {
        check(filter, document, expected);
    }
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    let cases = [
        ("[]", ""),
        ("{\"a\"", ""),
        (r#"{"a":1,"a":2}"#, ""),
        (r#"{"$nor":[]}"#, "/$nor"),
        (r#"{"a":{"$below":1}}"#, "/a/$below"),
        (r#"{"a":{"$lt":1,"b":2}}"#, "/a/b"),
        (r#"{"$and":{}}"#, "/$and"),
        (r#"{"$or":[1]}"#, "/$or/0"),
        (r#"{"a":{"$in":1}}"#, "/a/$in"),
        (r#"{"a":{"$exists":1}}"#, "/a/$exists"),
        (r#"{"a":{"$regex":"("}}"#, "/a/$regex"),
        (r#"{"a":{"$regex":1}}"#, "/a/$regex"),
        (r#"{"a":{"$begins_with":null}}"#, "/a/$begins_with"),
        (r#"{"a..b":1}"#, "/a..b"),
        (r#"{"_version":1}"#, "/_version"),
    ];
    for (text, pointer) in cases {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{text}");
        assert_eq!(error.context_value("pointer"), Some(pointer), "{text}");
    }
}

#[test]
fn required_values_come_from_the_top_only() {
    let path = FieldPath::parse("a").unwrap();
    let count =
        |text: &str| Filter::parse(text).unwrap().required_values(&path).map(<[Value]>::len);
    assert_eq!(count(r#"{"a":1,"b":2}"#), Some(1));
    assert_eq!(count(r#"{"$and":[{"b":1},{"a":{"$in":[1,2]}}]}"#), Some(2));
    assert_eq!(count(r#"{"$or":[{"a":1}]}"#), None);
    assert_eq!(count(r#"{"a":{"$ne":1}}"#), None);
}
