//! The programs on DynamoDB when it cannot be had: no region, no credentials,
//! nobody there, a refusal, a name that cannot be. One clear message each.
#![cfg(all(feature = "json", feature = "sql", feature = "dynamodb"))]

use std::time::{Duration, Instant};

use crate::cli_support::wire::{Stub, closed_port};
use crate::cli_support::{Place, Run, filled, machine};
use serde_json::{Value as Json, json};

const STORE: &str = "dynamodb:data";

fn configured(place: &Place, settings: &Json) {
    let config = json!({"storage": {"strategy": "dynamodb", "dynamodb_strategy": settings}});
    place.write("repository.json", config.to_string());
}

#[test]
fn a_missing_region_is_a_wrong_configuration() {
    let place = Place::new();
    configured(&place, &json!({}));
    for line in ["health", "init", "count machines --store dynamodb:data"] {
        let run = place
            .line_with(line, |command| {
                command.env_remove("AWS_REGION");
            })
            .one_message();
        run.ends(2).complains("no AWS region").complains("AWS_REGION");
    }
}

#[test]
fn a_region_that_cannot_be_is_refused_without_a_request() {
    let place = Place::new();
    let stub = Stub::refusing(400, "ExpiredTokenException", "expired");
    for region in ["not a region!", "eu/central", ""] {
        let run = place
            .line_with("health --store dynamodb:data", |command| {
                command.env_remove("AWS_ENDPOINT_URL_DYNAMODB").env("AWS_REGION", region);
            })
            .one_message();
        run.ends(2).complains("region");
    }
    assert_eq!(stub.requests(), 0);
}

#[test]
fn missing_credentials_are_told_at_once() {
    let place = Place::new();
    let start = Instant::now();
    let run = place
        .line_with("health --store dynamodb:data", |command| {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        })
        .one_message();
    run.ends(1).complains("no AWS credentials").complains("AWS_ACCESS_KEY_ID");
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// The last link of AWS's chain is the metadata service of a machine in EC2.
/// Elsewhere nothing answers at its address, which must not hang a command.
#[test]
fn a_metadata_service_that_does_not_answer_is_not_waited_for_long() {
    for without in [&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"][..], &["AWS_REGION"]] {
        let place = Place::new();
        let silent = Stub::silent();
        let start = Instant::now();
        let run = place.line_with("health --store dynamodb:data", |command| {
            for name in without {
                command.env_remove(name);
            }
            command
                .env_remove("AWS_EC2_METADATA_DISABLED")
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &silent.url);
        });
        assert!(silent.requests() > 0, "the stub was not asked");
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
        let run = run.one_message();
        match without {
            ["AWS_REGION"] => run.ends(2).complains("no AWS region"),
            _ => run.ends(1).complains("AWS credentials"),
        };
    }
}

#[test]
fn a_profile_that_is_not_there_is_named() {
    let place = Place::new();
    configured(&place, &json!({"profile": "nobody", "region": "eu-central-1"}));
    let run = place
        .line_with("health", |command| {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        })
        .one_message();
    run.ends(1).complains("nobody");
}

#[test]
fn an_endpoint_that_is_not_there_is_told_at_once() {
    let place = Place::new();
    for line in ["health", "init", "get machines m-1"] {
        let start = Instant::now();
        let run = place
            .line_with(&format!("{line} --store dynamodb:data"), |command| {
                command.env("AWS_ENDPOINT_URL_DYNAMODB", closed_port());
            })
            .one_message();
        run.ends(1).complains("cannot be reached").complains("endpoint_url");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_given_up() {
    let place = Place::new();
    let silent = Stub::silent();
    let start = Instant::now();
    let run = place.line_with("health --store dynamodb:data", |command| {
        command.env("AWS_ENDPOINT_URL_DYNAMODB", &silent.url);
    });
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    run.one_message().ends(1).complains("did not answer in time");
}

#[test]
fn refused_credentials_are_one_clear_message() {
    let secret = "s3cret-token-of-a-session";
    for (code, words) in [
        ("ExpiredTokenException", "the AWS credentials have expired"),
        ("UnrecognizedClientException", "AWS does not know these credentials"),
        ("AccessDeniedException", "the AWS credentials do not allow this"),
    ] {
        let stub = Stub::refusing(400, code, "not today");
        for line in ["health", "init", "get machines m-1", "count machines --format json"] {
            let place = Place::new();
            let before = stub.requests();
            let run = place.line_with(&format!("{line} --store dynamodb:data"), |command| {
                command
                    .env("AWS_ENDPOINT_URL_DYNAMODB", &stub.url)
                    .env("AWS_SESSION_TOKEN", secret)
                    .env("AWS_SECRET_ACCESS_KEY", secret);
            });
            assert_eq!(stub.requests(), before + 1, "{line} was made again");
            assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{run:#?}");
            assert_eq!(run.stderr.matches("error: ").count(), 1, "{run:#?}");
            run.ends(1).complains(words);
        }
    }
}

#[test]
fn no_log_shows_a_secret() {
    let place = filled(STORE, 1);
    let run = place.line_with(&format!("get machines m-0001 --store {STORE}"), |command| {
        command
            .env("REPO_LOG", "trace")
            .env("AWS_SECRET_ACCESS_KEY", "s3cret-key")
            .env("AWS_SESSION_TOKEN", "s3cret-token");
    });
    let run = run.ok();
    assert!(run.stderr.len() > 1_000, "the log was asked for");
    for secret in ["s3cret-key", "s3cret-token"] {
        let line = run.stderr.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[test]
fn names_that_no_table_can_have_are_refused_before_anything_is_asked() {
    let stub = Stub::refusing(400, "ExpiredTokenException", "expired");
    let long = format!("dynamodb:{}", "x".repeat(201));
    for url in [
        "dynamodb:",
        "dynamodb:a/b",
        "dynamodb:../data",
        "dynamodb:a b",
        "dynamodb:é",
        "dynamodb:a\u{7}",
        "dynamodb:a\n",
        "dynamodb:a*",
        "dynamodb:$(id)",
        "dynamodb:'; DROP TABLE x",
        "dynamodb://user:s3cret@host/data",
        "dynamodb:user:s3cret@host",
        &long,
    ] {
        let place = Place::new();
        let mut command = place.command("repoctl");
        command.args(["health", "--store", url]).env("AWS_ENDPOINT_URL_DYNAMODB", &stub.url);
        let run = Run::of(&mut command).one_message();
        assert!(!run.stderr.contains("s3cret"), "{run:#?}");
        assert!(!run.stderr.contains('\u{7}'), "{run:#?}");
        run.ends(2).complains("dynamodb");
    }
    assert_eq!(stub.requests(), 0);
    let place = Place::new();
    let odd = format!("dynamodb:A-b.c_9{}", "x".repeat(190));
    place.line(&format!("init --store {odd}")).ok();
    place.run_with_input(&format!("put machines --store {odd}"), &machine("m", "x").to_string());
    place.line(&format!("count machines --store {odd}")).ok().prints("1");
}
