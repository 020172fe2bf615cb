//! The conversations that Tidewire is held to.
use crate::Script;

macro_rules! scripts {
    ($($name:literal,)*) => {
        /// Name and text of each.
        pub const ALL: &[(&str, &str)] = &[$(($name, include_str!(concat!("../scripts/", $name, ".conv"))),)*];
    };
}

scripts! {
    "acknowledgements-of-nothing",
    "auth-without-method",
    "byte-order-mark",
    "clean-start-while-connected",
    "connect-and-ping",
    "connect-assigned-client-id",
    "connect-comes-first",
    "connect-empty-client-id-before-5",
    "connect-in-time",
    "connect-malformed",
    "connect-malformed-before-5",
    "connect-other-protocol",
    "connect-pipelined",
    "connect-pipelined-will",
    "connect-reserved-flag",
    "connect-twice",
    "connect-with-credentials",
    "empty-payload",
    "filters-of-many-levels",
    "keep-alive",
    "keep-alive-off",
    "large-payload",
    "malformed-dup",
    "malformed-filter",
    "malformed-flags",
    "malformed-length",
    "malformed-non-character",
    "malformed-options",
    "malformed-packet-id",
    "malformed-qos-3",
    "malformed-short",
    "malformed-subscribe",
    "malformed-topic-wildcard",
    "malformed-utf-8",
    "maximum-packet-size",
    "message-expiry",
    "message-expiry-under-way",
    "no-local",
    "offline-queue",
    "order",
    "packet-id-in-use",
    "properties-travel",
    "property-on-the-wrong-packet",
    "property-twice",
    "publish-qos-0",
    "publish-qos-1",
    "publish-qos-2",
    "publish-qos-2-at-once",
    "publish-qos-2-once",
    "publish-qos-2-over-a-cut",
    "publish-qos-2-thrice",
    "publish-to-nobody",
    "pubrec-unknown",
    "pubrel-unknown",
    "qos-0-to-the-absent",
    "qos-of-delivery",
    "receive-maximum",
    "receive-maximum-0",
    "receive-maximum-smaller-after-a-reconnect",
    "refused-by-the-subscriber",
    "resend-only-after-a-reconnect",
    "resend-qos-1",
    "resend-qos-2",
    "reserved-topics",
    "reserved-topics-are-refused",
    "response-topic-wildcard",
    "retain-as-published",
    "retain-handling",
    "retained",
    "retained-again",
    "retained-expires",
    "retained-to-wildcards",
    "session-ends-with-its-connection",
    "session-expires",
    "session-expiry-changed-at-the-end",
    "session-present",
    "session-present-before-5",
    "session-without-end",
    "shared-and-plain",
    "shared-death",
    "shared-no-local",
    "shared-qos-2",
    "shared-refused-by-a-member",
    "subscribe-replaces",
    "subscribe-several",
    "subscription-identifier",
    "subscription-identifier-0",
    "subscription-identifier-from-a-client",
    "subscription-survives",
    "takeover",
    "takeover-keeps-the-session",
    "topic-alias-0",
    "topic-alias-not-offered",
    "two-shards-of-clients",
    "unsubscribe",
    "unsubscribed-while-queued",
    "versions-meet",
    "wildcards",
    "will-after-a-protocol-error",
    "will-after-keep-alive",
    "will-as-long-as-can-be",
    "will-asked-for",
    "will-at-reserved-topic",
    "will-delayed",
    "will-malformed-topic",
    "will-not-later-than-its-session",
    "will-of-a-bridge",
    "will-on-a-cut",
    "will-on-takeover",
    "will-retained",
    "will-withdrawn",
    "wrong-direction",
}

/// All of them, read.
///
/// # Panics
/// If one is no script; a test reads them all.
pub fn all() -> impl Iterator<Item = (&'static str, Script)> {
    ALL.iter().map(|(name, source)| {
        let script = Script::parse(source).unwrap_or_else(|error| panic!("{name}.conv:{error}"));
        (*name, script)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_read_and_has_a_title_that_cites_the_law() {
        for (name, script) in all() {
            let title = script.title();
            assert!(title.contains("[MQTT-") || title.contains("(Section "), "{name}: {title}");
        }
    }

    #[test]
    fn every_file_is_in_the_list() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .expect("the scripts are here")
            .map(|entry| entry.expect("a readable entry").file_name().into_string().expect("plain names"))
            .collect();
        files.sort();
        let mut listed: Vec<_> = ALL.iter().map(|(name, _)| format!("{name}.conv")).collect();
        listed.sort();
        assert_eq!(files, listed);
    }
}
