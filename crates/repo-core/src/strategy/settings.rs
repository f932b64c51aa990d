//! Reading a strategy's settings block with errors that help.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::strategy::{did_you_mean, plain_reason};
use crate::{Error, ErrorKind, Result};

const SECRET_WORDS: [&str; 4] = ["password", "secret", "token", "credential"];

/// Whether a setting of this name holds a secret, which no message shows.
///
/// ```
/// assert!(repo_core::strategy::is_secret("db_password"));
/// assert!(!repo_core::strategy::is_secret("username"));
/// ```
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A strategy's JSON Schema of its settings, from the text that it was built with.
/// A test of the strategy compares the text with the type, so that programs need no
/// generator of schemas.
#[must_use]
pub fn settings_schema(text: &'static str) -> Json {
    // Text that is not JSON is shown as it stands.
    serde_json::from_str(text).unwrap_or_else(|_| Json::from(text))
}

/// Reads the settings of a strategy into its own type, which derives
/// `Deserialize` with `deny_unknown_fields` and defaults.
///
/// # Errors
/// `ConfigInvalid`: an unknown key, with the nearest known one as a hint, or a
/// wrong value. `at` is where the block stands: `storage.json_strategy`.
pub fn read_settings<T: DeserializeOwned>(at: &str, settings: &Json) -> Result<T> {
    serde_json::from_value(settings.clone()).map_err(|source| {
        // serde's own message quotes the value, so it is not kept as a source.
        let at = place::<T>(at, settings, &source.to_string());
        let reason = without_secrets(plain_reason(&source), settings);
        let error = Error::new(
            ErrorKind::ConfigInvalid,
            "read the configuration",
            "a setting is unknown or has a wrong value",
        )
        .with("at", at)
        .with("reason", &reason);
        match nearest_in_message(&reason) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}

/// The place of the setting that is wrong: the one that alone gives the same
/// message, or the whole block.
fn place<T: DeserializeOwned>(at: &str, settings: &Json, message: &str) -> String {
    let wrong = |name: &str, value: &Json| {
        let alone = Json::from_iter([(name.to_owned(), value.clone())]);
        serde_json::from_value::<T>(alone).is_err_and(|error| error.to_string() == message)
    };
    let found = settings
        .as_object()
        .and_then(|fields| fields.iter().find(|(name, value)| wrong(name, value)));
    found.map_or_else(|| at.to_owned(), |(name, _)| format!("{at}.{name}"))
}

/// Hides the values of secret settings in a message that may quote them: a
/// password of digits that was written as a number.
fn without_secrets(mut message: String, settings: &Json) -> String {
    match settings {
        Json::Object(fields) => {
            for (name, value) in fields {
                let text = match value {
                    Json::String(text) => text.clone(),
                    Json::Object(_) => String::new(),
                    other => other.to_string(),
                };
                message = if is_secret(name) && !text.is_empty() {
                    message.replace(&text, "***")
                } else {
                    without_secrets(message, value)
                };
            }
            message
        }
        Json::Array(items) => items.iter().fold(message, without_secrets),
        _ => message,
    }
}

/// From serde's "unknown field `x`, expected one of `a`, `b`".
fn nearest_in_message(reason: &str) -> Option<String> {
    let mut quoted = reason.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| reason.starts_with("unknown "))?;
    did_you_mean(unknown, quoted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_about_a_secret_setting_does_not_quote_it() {
        #[derive(Debug, serde::Deserialize)]
        struct Settings {
            #[serde(rename = "password")]
            _password: String,
        }
        for secret in [json!(733_155), json!(true), json!(["s3cret"])] {
            let error = read_settings::<Settings>("x", &json!({ "password": secret })).unwrap_err();
            let told = format!("{error:?}");
            assert!(!told.contains("733155") && !told.contains("s3cret"), "{told}");
        }
    }
}
