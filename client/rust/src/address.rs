use crate::error::{Error, Result};

const DEFAULT_PORT: u16 = 50051;

/// Where a server is: `host:port`, `http(s)://...`, `grpc(s)://...` or `unix:path`. Without a scheme, loopback is spoken to in
/// plaintext and everything else with TLS.
#[derive(Debug, PartialEq)]
pub(crate) struct Address {
    /// As tonic takes it.
    pub uri: String,
    pub is_tls: bool,
}

impl Address {
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with("unix:") {
            return Ok(Self { uri: text.to_owned(), is_tls: false });
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if !["", "http", "https", "grpc", "grpcs"].contains(&scheme) {
            return Err(refused(text, FORMS));
        }
        let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(|| refused(text, FORMS))?;
        let is_loopback = is_loopback(host);
        let is_tls = matches!(scheme, "https" | "grpcs") || (scheme.is_empty() && !is_loopback);
        if !is_tls && !is_loopback {
            return Err(refused(text, "the API key would travel in plaintext; use https:// or grpcs:// beyond loopback"));
        }
        let port = match port {
            Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or_else(|| refused(text, "a port is 1 to 65535"))?,
            None if scheme == "https" => 443,
            None => DEFAULT_PORT,
        };
        Ok(Self { uri: format!("{}://{host}:{port}", if is_tls { "https" } else { "http" }), is_tls })
    }
}

const FORMS: &str = "write host:port, https://host, grpcs://host:port or unix:path, without a user or a path";

fn refused(text: &str, cure: &str) -> Error {
    Error::invalid("address", text, cure)
}

/// The host, in brackets if it is of IPv6, and the digits of the port.
fn host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match text.rfind(']') {
        Some(end) => (&text[..=end], text[end + 1..].strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_six = host.starts_with('[') && host.ends_with(']');
    let inside = if is_six { &host[1..host.len() - 1] } else { host };
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (is_six && c == ':');
    let has_rest = is_six && port.is_none() && !text.ends_with(']');
    (!inside.is_empty() && inside.chars().all(is_sound) && !has_rest).then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || inside.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn is_read_as_people_write_it() {
        for (text, uri) in [
            ("localhost:7001", "http://localhost:7001"),
            ("127.0.0.1", "http://127.0.0.1:50051"),
            ("[::1]:7001", "http://[::1]:7001"),
            ("xp.example.org:7001", "https://xp.example.org:7001"),
            ("https://xp.example.org/", "https://xp.example.org:443"),
            ("grpcs://my_server:7001", "https://my_server:7001"),
            ("http://localhost:7001", "http://localhost:7001"),
            ("https://localhost:7001", "https://localhost:7001"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address, Address { uri: uri.into(), is_tls: uri.starts_with("https") }, "{text}");
        }
        assert_eq!(Address::parse("unix:/tmp/x.sock").unwrap().uri, "unix:/tmp/x.sock");
    }

    #[test]
    fn is_refused_with_its_value_and_a_cure() {
        let refused = ["", "http://xp.example.org", "grpc://10.0.0.1:1", "me@host:1", "host:1/path", "host:0", "host:65536", "ftp://host", "[::1]x"];
        for text in refused {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
            assert_eq!(error.metadata()["field"], "address");
            assert_eq!(error.metadata()["value"], text);
        }
    }
}
