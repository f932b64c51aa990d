//! The session of a browser at the console: a token in a cookie.

use std::time::Duration;

use axum::http::{HeaderMap, header};

/// Where the console is, and the only place that the cookie is sent to.
const CONSOLE: &str = "/console";
const COOKIE: &str = "repo_console";

/// Whether a path is one of the console.
pub(super) fn is_console(path: &str) -> bool {
    path.strip_prefix(CONSOLE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The token in the cookies of a request.
pub(super) fn session_token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The cookie of a session. No script reads it; a page of another site makes no browser send
/// it with a form. `secure` keeps it from plain HTTP.
#[must_use]
pub fn session_cookie(token: &str, valid: Duration, secure: bool) -> String {
    let seconds = valid.as_secs();
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path={CONSOLE}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// What makes a browser forget the cookie.
#[must_use]
pub fn end_session() -> String {
    session_cookie("", Duration::ZERO, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; xrepo_console=no".parse().unwrap());
        headers.append(header::COOKIE, "c=d;repo_console=rst_1.2".parse().unwrap());
        assert_eq!(session_token(&headers), Some("rst_1.2"));
        assert!(is_console("/console") && is_console("/console/c") && !is_console("/consoles"));
        let cookie = session_cookie("t", Duration::from_secs(5), true);
        assert!(cookie.contains("HttpOnly") && cookie.ends_with("; Secure"));
    }
}
