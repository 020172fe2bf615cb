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
    "answers-of-subscribe",
    "auth-method-unknown",
    "auth-without-method",
    "byte-order-mark",
    "clean-start-by-session-expiry",
    "clean-start-while-connected",
    "connect-and-ping",
    "connect-assigned-client-id",
    "connect-client-ids",
    "connect-comes-first",
    "connect-empty-client-id",
    "connect-empty-client-id-before-5",
    "connect-fields",
    "connect-fields-before-5",
    "connect-in-time",
    "connect-malformed",
    "connect-malformed-before-5",
    "connect-other-name",
    "connect-other-protocol",
    "connect-pipelined",
    "connect-pipelined-will",
    "connect-rejected",
    "connect-rejected-5",
    "connect-reserved-flag",
    "connect-twice",
    "connect-unknown-level",
    "connect-utf-8",
    "connect-utf-8-before-5",
    "connect-will-flags",
    "connect-will-flags-before-5",
    "connect-with-credentials",
    "connect-with-credentials-before-5",
    "dollar-topics",
    "dup-stays-behind",
    "empty-payload",
    "empty-subscribe-before-5",
    "expired-under-way",
    "filters-of-many-levels",
    "keep-alive",
    "keep-alive-off",
    "large-payload",
    "malformed-auth",
    "malformed-disconnect",
    "malformed-dup",
    "malformed-filter",
    "malformed-filter-utf-8",
    "malformed-flags",
    "malformed-length",
    "malformed-non-character",
    "malformed-options",
    "malformed-packet-id",
    "malformed-qos-3",
    "malformed-reason-codes",
    "malformed-response-topic",
    "malformed-short",
    "malformed-subscribe",
    "malformed-text-in-properties",
    "malformed-topic-utf-8",
    "malformed-topic-wildcard",
    "malformed-unsubscribe",
    "malformed-utf-8",
    "matches-only",
    "maximum-packet-size",
    "maximum-packet-size-acknowledged",
    "maximum-packet-size-exceeded",
    "maximum-qos",
    "message-expiry",
    "message-expiry-behind-a-full-window",
    "message-expiry-under-way",
    "no-local",
    "no-problem-information",
    "no-response-information",
    "offline-queue",
    "one-connack",
    "order",
    "other-packets-go-on",
    "overlapping",
    "overlapping-before-5",
    "overlapping-options",
    "packet-id-in-use",
    "packet-ids-differ",
    "properties-travel",
    "property-on-the-wrong-packet",
    "property-twice",
    "publish-qos-0",
    "publish-qos-1",
    "publish-qos-1-again",
    "publish-qos-2",
    "publish-qos-2-at-once",
    "publish-qos-2-once",
    "publish-qos-2-over-a-cut",
    "publish-qos-2-over-two-cuts",
    "publish-qos-2-refused",
    "publish-qos-2-thrice",
    "publish-qos-2-without-a-session",
    "publish-to-nobody",
    "pubrec-unknown",
    "pubrel-unknown",
    "qos-0-is-not-queued",
    "qos-0-to-the-absent",
    "qos-of-delivery",
    "queued-for-the-absent",
    "receive-maximum",
    "receive-maximum-0",
    "receive-maximum-before-5",
    "receive-maximum-exceeded",
    "receive-maximum-smaller-after-a-reconnect",
    "refused-by-the-subscriber",
    "release-in-order",
    "resend-before-what-waits",
    "resend-in-order",
    "resend-only-after-a-reconnect",
    "resend-qos-1",
    "resend-qos-2",
    "reserved-topics",
    "reserved-topics-are-refused",
    "response-topic-wildcard",
    "retain-as-published",
    "retain-handling",
    "retain-not-available",
    "retained",
    "retained-again",
    "retained-empty",
    "retained-expires",
    "retained-qos",
    "retained-to-wildcards",
    "session-ends-with-clean-session",
    "session-ends-with-its-connection",
    "session-expires",
    "session-expiry-at-most",
    "session-expiry-changed-at-the-end",
    "session-expiry-of-the-last-connect",
    "session-kept-while-connected",
    "session-new",
    "session-present",
    "session-present-before-5",
    "session-without-end",
    "share-names",
    "shared-all-away",
    "shared-and-plain",
    "shared-busy-member",
    "shared-death",
    "shared-groups",
    "shared-no-local",
    "shared-qos-2",
    "shared-qos-2-of-a-session-that-ends",
    "shared-refused-by-a-member",
    "shared-takeover",
    "shared-too-large-for-a-member",
    "small-packets",
    "subscribe-replaces",
    "subscribe-several",
    "subscription-identifier",
    "subscription-identifier-0",
    "subscription-identifier-from-a-client",
    "subscription-identifier-of-what-waited",
    "subscription-survives",
    "takeover",
    "takeover-before-5",
    "takeover-by-session-expiry",
    "takeover-keeps-the-session",
    "takeovers-per-minute",
    "topic-alias-0",
    "topic-alias-not-offered",
    "topic-aliases",
    "topic-aliases-from-the-server",
    "topic-aliases-to-nobody",
    "topic-name-wildcards",
    "topic-of-all-lengths",
    "two-shards-of-clients",
    "unsubscribe",
    "unsubscribed-before-5",
    "unsubscribed-while-queued",
    "versions-meet",
    "wildcards",
    "will-after-a-protocol-error",
    "will-after-keep-alive",
    "will-as-long-as-can-be",
    "will-asked-for",
    "will-at-reserved-topic",
    "will-by-reason-code",
    "will-delayed",
    "will-delayed-however-it-ends",
    "will-delayed-without-a-session",
    "will-expires-from-its-publication",
    "will-expiry",
    "will-malformed-topic",
    "will-not-later-than-its-session",
    "will-of-a-bridge",
    "will-on-a-cut",
    "will-on-takeover",
    "will-on-takeover-before-5",
    "will-on-takeover-with-clean-start",
    "will-retained",
    "will-with-properties",
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
