//! What a request may call this server.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header};

use crate::http::ApiError;

/// The names that requests may give in `Host`. A page of another site can make a browser ask
/// this machine under a name that leads here (DNS rebinding); it cannot choose the `Host`.
#[derive(Debug, Clone)]
pub struct Hosts {
    named: Vec<String>,
}

/// The host without its port, without the brackets of an address.
fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_this_machine(host: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    address.map_or_else(|| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

impl Hosts {
    /// These names, besides this machine's own.
    #[must_use]
    pub fn new(named: &[String]) -> Self {
        Self { named: named.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    fn is_named(&self, host: &str) -> bool {
        self.named.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    /// Checks that a page of this server itself asks for something to be changed. A browser
    /// that says neither where a form comes from nor how it was sent is refused.
    ///
    /// # Errors
    /// 403 otherwise.
    pub fn same_site(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let said = headers.contains_key(header::ORIGIN)
            || headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        if !said {
            return Err(ApiError::forbidden("the request does not say which page it comes from")
                .remedy("use the page of the console, or the API with a key"));
        }
        same_origin(authority(uri, headers), headers)
    }

    /// Checks where a request says it goes and, from a browser, where it comes from.
    ///
    /// # Errors
    /// 421 for another name; 403 for a page of another site.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap, open: bool) -> Result<(), ApiError> {
        let authority = authority(uri, headers);
        let host = without_port(authority);
        let known = self.is_named(host) || is_this_machine(host);
        if !known && (open || !self.named.is_empty()) {
            let why = "this server is not known by the name in Host";
            return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "PermissionDenied", why)
                .remedy("ask for it by its own name, or add the name to `server.allowed_hosts`"));
        }
        // With keys a page of another site has none; without them nothing else stops it.
        if open { same_origin(authority, headers) } else { Ok(()) }
    }
}

/// What a request calls this server, with the port.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    uri.authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()))
        .unwrap_or_default()
}

/// A browser says where a page comes from, and that cannot be forged by the page.
fn same_origin(authority: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let same = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(authority))
    };
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let from_elsewhere = matches!(site, Some(b"cross-site" | b"same-site"));
    if from_elsewhere || origin.is_some_and(|origin| !same(origin)) {
        return Err(ApiError::forbidden("a page of another site asked for this")
            .remedy("make an API key: `repo-server keys create`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, more: &[(&'static str, &str)], open: bool) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for (name, value) in more {
            headers.insert(*name, value.parse().unwrap());
        }
        let hosts = Hosts::new(&["repo.example.com".to_owned()]);
        hosts.check(&Uri::from_static("/"), &headers, open).err().map(|error| error.status())
    }

    #[test]
    fn a_name_that_somebody_else_chose_is_refused() {
        for host in
            ["localhost", "localhost:80", "127.0.0.1:8080", "[::1]:8080", "Repo.Example.com"]
        {
            assert_eq!(check(host, &[], true), None, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", ""] {
            assert_eq!(check(host, &[], true), Some(StatusCode::MISDIRECTED_REQUEST), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_without_keys() {
        let host = "127.0.0.1:8080";
        for more in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert_eq!(check(host, &[more], true), Some(StatusCode::FORBIDDEN), "{more:?}");
            assert_eq!(check(host, &[more], false), None);
        }
        assert_eq!(check(host, &[("origin", "http://127.0.0.1:8080")], true), None);
    }
}
