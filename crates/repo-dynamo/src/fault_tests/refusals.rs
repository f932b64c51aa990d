//! What AWS or the network refuses.

use super::*;

#[tokio::test]
async fn refused_credentials_are_one_clear_message() {
    let canonical = format!("The canonical string was: x-amz-security-token:{TOKEN} {SECRET}");
    for (code, kind, words) in [
        ("ExpiredTokenException", ErrorKind::PermissionDenied, "expired"),
        ("UnrecognizedClientException", ErrorKind::PermissionDenied, "does not know"),
        ("InvalidSignatureException", ErrorKind::PermissionDenied, "signature"),
        ("AccessDeniedException", ErrorKind::PermissionDenied, "do not allow"),
        ("SomethingNewException", ErrorKind::Unexpected, "SomethingNewException"),
    ] {
        let message = if code == "AccessDeniedException" { "not yours" } else { &canonical };
        let message = message.to_owned();
        let proxy = Proxy::start("127.0.0.1:1", move |_, _, _| error(400, code, &message)).await;
        let refused = open(&proxy, "none").await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
        let everything = format!("{refused:?} {:?}", std::error::Error::source(&refused));
        assert!(!everything.contains(SECRET) && !everything.contains(TOKEN), "{everything}");
        assert_eq!(proxy.take().len(), 1, "{code} is not tried again");
    }
}

/// A user that may not make tables is known before one is made.
#[tokio::test]
async fn who_may_not_make_tables_is_refused_before() {
    let proxy = Proxy::start(&server(), |operation, _, _| match operation {
        "CreateTable" => error(400, "AccessDeniedException", "not yours"),
        _ => Fate::Forward,
    })
    .await;
    let store = open(&proxy, &format!("f{:016x}", fastrand::u64(..))).await.unwrap();
    let schemas = [CollectionSchema::undeclared(CollectionName::new("items").unwrap())];
    let checked = store.check_prepare(&schemas).await.unwrap_err();
    assert_eq!(checked.kind(), ErrorKind::PermissionDenied, "{checked}");
    let prepared = store.prepare(&schemas).await.unwrap_err();
    assert_eq!(prepared.kind(), checked.kind());
}

/// What an answer says of a write: a refusal wrote nothing, a failure of the
/// server may have, whatever it is called.
#[tokio::test]
async fn a_refused_write_was_not_made_and_a_failed_one_may_have_been() {
    let cases: [(fn() -> Fate, ErrorKind); 6] = [
        (|| error(400, "SomethingNewException", "no words"), ErrorKind::Unexpected),
        (|| error(500, "SomethingNewException", "no words"), ErrorKind::OutcomeUnknown),
        (|| error(500, "InternalServerError", "no words"), ErrorKind::OutcomeUnknown),
        (|| error(503, "ServiceUnavailable", "no words"), ErrorKind::OutcomeUnknown),
        (|| Fate::Answer(502, "<html>".to_owned()), ErrorKind::OutcomeUnknown),
        (|| Fate::Answer(403, "<html>".to_owned()), ErrorKind::Unavailable),
    ];
    for (fate, kind) in cases {
        let (proxy, store) = filled(move |operation, _, _| match operation {
            "UpdateItem" => fate(),
            _ => Fate::Forward,
        })
        .await;
        let error = store.save(key("items", "there"), document("there")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        if kind == ErrorKind::Unexpected {
            assert_eq!(error.context_value("code"), Some("SomethingNewException"));
            assert_eq!(error.context_value("reason"), Some("no words"), "{error:?}");
        }
        assert_eq!(proxy.operations(), ["UpdateItem"], "{error:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let start = Instant::now();
    let settings = DynamoSettings::default();
    let opened = DynamoStrategy::open_with(&config(&url), settings, OpenOptions::default()).await;
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_endpoint_that_is_something_else_is_named() {
    let proxy =
        Proxy::start("127.0.0.1:1", |_, _, _| Fate::Answer(200, "<html></html>".to_owned())).await;
    let error = open(&proxy, "none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.hint_text().unwrap_or_default().contains("endpoint_url"), "{error:?}");
}
