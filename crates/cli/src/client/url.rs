//! `-L mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]`
use crate::say::{Failure, given};

/// What a URL says. Nothing in it is decoded: `%41` is three characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) topic: Option<&'a str>,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(url: &'a str) -> Result<Self, Failure> {
        let refused = |why: &str| Err(Failure::Usage(format!("-L {}: {why}", given(url))));
        let rest = match url.split_once("://") {
            Some(("mqtt", rest)) => rest,
            Some(("mqtts" | "wss", _)) => return refused("TLS is not there yet: say mqtt://"),
            Some(("ws", _)) => return refused("WebSocket is not there yet: say mqtt://"),
            _ => return refused("it begins with mqtt://"),
        };
        let (place, topic) = match rest.split_once('/') {
            Some((place, topic)) => (place, Some(topic).filter(|topic| !topic.is_empty())),
            None => (rest, None),
        };
        let (who, place) = match place.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, place),
        };
        let (username, password) = match who.map(|who| who.split_once(':').ok_or(who)) {
            Some(Ok((username, password))) => (Some(username), Some(password)),
            Some(Err(username)) => (Some(username), None),
            None => (None, None),
        };
        let (host, port) = host_and_port(place);
        let port = match port.map(str::parse) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => return refused("a port is a number up to 65535"),
        };
        if host.is_empty() {
            return refused("there is no host in it");
        }
        Ok(Self { username, password, host, port, topic })
    }
}

/// The colons of an IPv6 address stand in brackets.
fn host_and_port(place: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_who_where_and_what() {
        let all = Url::parse("mqtt://joe:se:cret@example.org:1884/a/b").expect("valid");
        let expected = Url {
            username: Some("joe"),
            password: Some("se:cret"),
            host: "example.org",
            port: Some(1884),
            topic: Some("a/b"),
        };
        assert_eq!(all, expected);
        let few = Url::parse("mqtt://[::1]:1885").expect("valid");
        assert_eq!((few.host, few.port, few.username, few.topic), ("::1", Some(1885), None, None));
        let topic = Url::parse("mqtt://host//a").expect("valid").topic;
        assert_eq!(topic, Some("/a"));
    }

    #[test]
    fn what_is_no_url_is_named_with_what_is() {
        for (given, word) in [
            ("http://host/a", "mqtt://"),
            ("host/a", "mqtt://"),
            ("mqtts://host/a", "TLS"),
            ("mqtt:///a", "host"),
            ("mqtt://host:x/a", "port"),
        ] {
            let Err(Failure::Usage(said)) = Url::parse(given) else { panic!("{given} was understood") };
            assert!(said.contains(word), "{given}: {said}");
        }
    }
}
