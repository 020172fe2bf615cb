//! A server, and options, as a URL.
use super::{Connect, Error, Feature, Invalid, Result, Version};
use crate::clients::Endpoint;
use percent_encoding::percent_decode_str;
use std::num::NonZero;
use std::time::Duration;

/// Where MQTT is spoken without TLS.
const PORT: u16 = 1883;

impl Connect {
    /// What a URL says: a server, perhaps with credentials, and options.
    pub(super) fn apply(&mut self, url: &str) -> Result<()> {
        let server = Url::parse(url)?;
        self.servers.push(server.endpoint);
        if let Some(username) = server.username {
            self.config.username = Some(username.into());
            self.config.password = server.password.map(Into::into);
        }
        server.options.iter().try_for_each(|(name, value)| self.set(name, value))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = || invalid(format!("the option {name} can't be {value:?}"));
        let config = &mut self.config;
        match name {
            "client_id" => config.client_id = value.into(),
            "keep_alive" => config.keep_alive_seconds = value.parse().map_err(|_| bad())?,
            "connect_timeout" => config.connect_seconds = value.parse().map_err(|_| bad())?,
            "receive_maximum" => {
                config.receive_maximum = value.parse::<NonZero<u16>>().map_err(|_| bad())?.get();
            }
            "session_expiry" => {
                self.session = Duration::from_secs(value.parse::<u32>().map_err(|_| bad())?.into()).into();
            }
            "clean_start" => self.clean_start = Some(value.parse().map_err(|_| bad())?),
            "version" => {
                config.version = Some(match value {
                    "3.1" => Version::V3_1,
                    "3.1.1" => Version::V3_1_1,
                    "5" | "5.0" => Version::V5,
                    _ => return Err(bad()),
                });
            }
            _ => return Err(invalid(format!("a URL has no option {name}; there are {OPTIONS}"))),
        }
        Ok(())
    }
}

const OPTIONS: &str =
    "client_id, keep_alive, session_expiry, connect_timeout, clean_start, receive_maximum and version";

#[derive(Debug)]
struct Url {
    endpoint: Endpoint,
    username: Option<String>,
    password: Option<Vec<u8>>,
    options: Vec<(String, String)>,
}

impl Url {
    fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(invalid(format!("{url:?} is no URL: it begins with mqtt://")));
        };
        match scheme {
            "mqtt" | "tcp" => {}
            "mqtts" | "ssl" | "tls" => return Err(Error::Unsupported(Feature::Tls)),
            "ws" | "wss" => return Err(Error::Unsupported(Feature::WebSocket)),
            _ => return Err(invalid(format!("{scheme}:// is unknown: use mqtt://"))),
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(invalid(format!("mqtt:// has no path, and {url:?} has /{path}")));
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (username, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((username, "")) => (Some(decoded(username)?), None),
            Some((username, password)) => {
                (Some(decoded(username)?), Some(percent_decode_str(password).collect()))
            }
            None => (None, None),
        };
        let mut options = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            options.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self { endpoint: endpoint(host)?, username, password, options })
    }
}

fn endpoint(authority: &str) -> Result<Endpoint> {
    // An address of IPv6 stands in brackets.
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((host, port)) = rest.split_once(']') else {
                return Err(invalid(format!("{authority:?} has no closing bracket")));
            };
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None => PORT,
        Some(port) => port.parse().map_err(|_| invalid(format!("{port:?} is no port")))?,
    };
    if host.is_empty() {
        return Err(invalid("the URL names no host".to_owned()));
    }
    Ok(Endpoint::new(&decoded(host)?, port))
}

fn decoded(text: &str) -> Result<String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(invalid(format!("{text:?} is not UTF-8 once it is decoded"))),
    }
}

fn invalid(words: String) -> Error {
    Error::Invalid(Invalid::Url(words.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_credentials_and_options() {
        let url = Url::parse("mqtt://us%40er:p%3Aw@[::1]:1884/?client_id=a%20b&keep_alive=5").unwrap();
        assert_eq!(url.endpoint, Endpoint::new("::1", 1884));
        assert_eq!((url.username.as_deref(), url.password.as_deref()), (Some("us@er"), Some(&b"p:w"[..])));
        assert_eq!(url.options[0], ("client_id".to_owned(), "a b".to_owned()));
        assert_eq!(Url::parse("mqtt://broker").unwrap().endpoint, Endpoint::new("broker", 1883));
        assert_eq!(Url::parse("mqtt://10.0.0.1:1").unwrap().endpoint, Endpoint::new("10.0.0.1", 1));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (url, words) in [
            ("broker:1883", "\"broker:1883\" is no URL: it begins with mqtt://"),
            ("http://broker", "http:// is unknown: use mqtt://"),
            ("mqtt://broker:x", "\"x\" is no port"),
            ("mqtt://broker:70000", "\"70000\" is no port"),
            ("mqtt://[::1", "\"[::1\" has no closing bracket"),
            ("mqtt://:1883", "the URL names no host"),
            ("mqtt://broker/a", "mqtt:// has no path, and \"mqtt://broker/a\" has /a"),
            ("mqtts://broker", "this client has no TLS: use mqtt://"),
            ("ws://broker/mqtt", "this client has no WebSocket: use mqtt://"),
            ("mqtt://%ff", "\"%ff\" is not UTF-8 once it is decoded"),
        ] {
            assert_eq!(Url::parse(url).unwrap_err().to_string(), words);
        }
    }
}
