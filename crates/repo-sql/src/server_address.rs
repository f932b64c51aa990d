//! `postgresql://HOST:PORT`: a server, and nothing else about it.

/// The host and the port of `postgresql://HOST:PORT`, whose port may be left out; `None`
/// for other text.
pub(crate) fn server_of(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
    let server = rest.strip_suffix('/').unwrap_or(rest);
    // Within brackets stands an address that holds colons.
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => server.split_at(server.find(':').unwrap_or(server.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 0,
        None => return None,
        Some(digits) => digits.parse::<u16>().ok().filter(|port| *port != 0)?,
    };
    let is_bare = |part: char| !part.is_control() && !"@/?#%,[] ".contains(part);
    (!host.is_empty() && host.chars().all(is_bare)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        for (url, host, port) in [
            ("postgresql://two:6543", "two", 6_543),
            ("postgres://10.0.0.3/", "10.0.0.3", 0),
            ("postgresql://[::1]:7", "::1", 7),
            ("postgresql://[::1]", "::1", 0),
        ] {
            assert_eq!(server_of(url), Some((host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn what_says_more_or_less_is_none() {
        for url in [
            "",
            "two:6543",
            "sqlite:file",
            "postgresql://",
            "postgresql://:6543",
            "postgresql://two:0",
            "postgresql://two:",
            "postgresql://two:65536",
            "postgresql://me:hunter2@two:6543",
            "postgresql://me@two",
            "postgresql://two:6543/store",
            "postgresql://two?schema=x",
            "postgresql://one:1,two:2",
            "postgresql://[::1",
            "postgresql://[::1]7",
            "postgresql://two words",
        ] {
            assert_eq!(server_of(url), None, "{url}");
        }
    }
}
