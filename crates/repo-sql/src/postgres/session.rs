//! What a connection begins with: what its statements rely on, and what they would like.

use crate::config::SqlSettings;
use crate::names::quote;

/// What the server says by itself of the database when a connection begins.
pub(super) const SERVER_ENCODING: &str = "server_encoding";

/// A setting that means nothing to PostgreSQL. A pooler does not know it and refuses the
/// connection, so that nobody takes one for the server: what is set on a connection would
/// be lost, or meet somebody else.
pub(super) const UNPOOLED: &str = "-c repository.pooler=none";

/// What the statements of a handle rely on.
pub(super) struct Session {
    schema: String,
    read_only: bool,
}

impl Session {
    /// What a connection would like to have: errors in English, by which they are
    /// recognised; a server that looks, while it works, whether we are still there
    /// (PostgreSQL 14), so that a call that was dropped ends there too; and rows that
    /// a policy hides from this user as an error, never left out in silence.
    pub(super) const WISHES: [&'static str; 3] =
        ["lc_messages = 'C'", "client_connection_check_interval = '1s'", "row_security = off"];

    /// Values of other programs' tables are read as text, which has to be one and exact.
    const READ_ONLY: [&'static str; 4] = [
        "extra_float_digits = 1",
        "TimeZone = 'UTC'",
        "DateStyle = 'ISO'",
        "IntervalStyle = 'iso_8601'",
    ];

    pub(super) fn new(settings: &SqlSettings, read_only: bool) -> Self {
        Self { schema: quote(&settings.schema), read_only }
    }

    /// What every connection begins with.
    pub(super) fn set_up(&self) -> String {
        let mut texts = vec![
            format!("SET search_path = {}", self.schema),
            "SET standard_conforming_strings = on".to_owned(),
            "SET default_transaction_isolation = 'read committed'".to_owned(),
        ];
        // Never off: the server may be set to take no writes from this user. A server that
        // knows no encoding would refuse a whole page for one value: it gives the bytes as
        // they are, and each row is looked at.
        if self.read_only {
            texts.push("SET default_transaction_read_only = on".to_owned());
            texts.extend(Self::READ_ONLY.map(|setting| format!("SET {setting}")));
            texts.push(
                "SELECT set_config('client_encoding', 'SQL_ASCII', false) \
                 WHERE current_setting('server_encoding') = 'SQL_ASCII'"
                    .to_owned(),
            );
        }
        texts.join("; ")
    }

    /// The same for a single transaction, with the wishes that are granted. Settings alone:
    /// a query would be too late for what a transaction may still become.
    pub(super) fn prologue(&self, granted: &[&str], encoding: Option<&str>) -> String {
        let mut settings = vec![
            format!("search_path = {}", self.schema),
            "standard_conforming_strings = on".to_owned(),
            "TimeZone = 'UTC'".to_owned(),
        ];
        settings.extend(granted.iter().map(|&wish| wish.to_owned()));
        if self.read_only {
            settings.push("transaction_read_only = on".to_owned());
            settings.extend(Self::READ_ONLY.map(str::to_owned));
            if encoding == Some("SQL_ASCII") {
                settings.push("client_encoding = 'SQL_ASCII'".to_owned());
            }
        }
        let settings = settings.iter().map(|setting| format!("SET LOCAL {setting}"));
        settings.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_sets_up_what_a_session_would_and_nothing_longer() {
        let settings = SqlSettings { schema: "a\"b".to_owned(), ..SqlSettings::default() };
        for read_only in [false, true] {
            let session = Session::new(&settings, read_only);
            let prologue = session.prologue(&Session::WISHES, Some("SQL_ASCII"));
            assert!(prologue.split("; ").all(|part| part.starts_with("SET LOCAL ")), "{prologue}");
            assert!(prologue.contains("SET LOCAL search_path = \"a\"\"b\""), "{prologue}");
            assert_eq!(prologue.contains("transaction_read_only"), read_only, "{prologue}");
            assert_eq!(prologue.contains("SQL_ASCII"), read_only, "{prologue}");
            // What only a session keeps has another form in a transaction.
            let of_session = ["default_transaction", "client_encoding"];
            for setting in session.set_up().split("; ") {
                let setting = setting.strip_prefix("SET ").unwrap_or(setting);
                let other = of_session.iter().any(|name| setting.contains(name));
                assert!(other || prologue.contains(setting), "{setting} is not in {prologue}");
            }
        }
    }
}
