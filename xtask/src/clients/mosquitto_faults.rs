//! Where Debian's mosquitto 2.0.11 goes another way than the conversations, and what it does there. Not all of it is
//! forbidden: section 4.13 only says that a server should tell why it closes.

/// A conversation that fails with it.
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) versions: &'static [&'static str],
    pub(super) why: &'static str,
}

const OLD: &[&str] = &["3.1.1"];
const NEW: &[&str] = &["5.0"];
const BOTH: &[&str] = &["3.1.1", "5.0"];

const SILENT: &str = "it closes without saying why, where section 4.13 asks for DISCONNECT first";
const NOT_TOLD: &str =
    "whom another client takes the session from is closed without being told [MQTT-3.1.4-3]";

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "auth-without-method", versions: NEW, why: SILENT },
    Fault { name: "clean-start-while-connected", versions: NEW, why: NOT_TOLD },
    Fault {
        name: "connect-other-protocol",
        versions: NEW,
        why: "a version that it does not know it answers in the form of 3.1.1, and with its code",
    },
    Fault { name: "connect-twice", versions: NEW, why: SILENT },
    Fault { name: "malformed-auth", versions: NEW, why: SILENT },
    Fault { name: "malformed-disconnect", versions: NEW, why: SILENT },
    Fault { name: "malformed-dup", versions: BOTH, why: "it takes DUP with QoS 0 [MQTT-3.3.1-2]" },
    Fault {
        name: "malformed-flags",
        versions: BOTH,
        why: "it answers a PINGREQ with a reserved flag [MQTT-2.1.3-1]",
    },
    Fault { name: "malformed-length", versions: NEW, why: SILENT },
    Fault {
        name: "malformed-reason-codes",
        versions: NEW,
        why: "it takes PUBREC with a Reason Code that is none of its own [MQTT-3.5.2-1]",
    },
    Fault { name: "malformed-response-topic", versions: NEW, why: SILENT },
    Fault { name: "malformed-text-in-properties", versions: NEW, why: SILENT },
    Fault {
        name: "maximum-packet-size",
        versions: NEW,
        why: "it sends 41 bytes to a client that takes 40 [MQTT-3.1.2-24]",
    },
    Fault { name: "property-twice", versions: NEW, why: SILENT },
    Fault {
        name: "publish-qos-2-thrice",
        versions: BOTH,
        why: "the third PUBLISH without DUP under one Packet Identifier ends the connection [MQTT-4.3.3-10]",
    },
    Fault {
        name: "receive-maximum-smaller-after-a-reconnect",
        versions: NEW,
        why: "what goes out again takes no notice of a Receive Maximum that became smaller [MQTT-3.3.4-9]",
    },
    Fault {
        name: "response-topic-wildcard",
        versions: NEW,
        why: "it takes a Response Topic with wildcards [MQTT-3.3.2-14]",
    },
    Fault {
        name: "share-names",
        versions: NEW,
        why: "it grants a filter without a Share Name [MQTT-4.8.2-1]",
    },
    Fault {
        name: "shared-and-plain",
        versions: NEW,
        why: "a Shared Subscription gets Retained Messages (section 4.8.2)",
    },
    Fault {
        name: "shared-no-local",
        versions: NEW,
        why: "it grants No Local with a Shared Subscription [MQTT-3.8.3-4]",
    },
    Fault {
        name: "subscription-identifier-from-a-client",
        versions: NEW,
        why: "a client that publishes with a Subscription Identifier may stay [MQTT-3.3.4-6]",
    },
    Fault { name: "takeover", versions: NEW, why: NOT_TOLD },
    Fault { name: "takeover-by-session-expiry", versions: NEW, why: NOT_TOLD },
    Fault { name: "takeover-keeps-the-session", versions: NEW, why: NOT_TOLD },
    Fault {
        name: "will-by-reason-code",
        versions: NEW,
        why: "DISCONNECT with 0x80 withdraws a will as if it were 0x00 [MQTT-3.1.2-8]",
    },
    Fault {
        name: "will-delayed-without-a-session",
        versions: NEW,
        why: "a will waits for its delay although its session has ended [MQTT-3.1.2-8]",
    },
    Fault {
        name: "will-on-takeover-before-5",
        versions: OLD,
        why: "a takeover of a session that goes on loses the will [MQTT-3.1.2-8]",
    },
    Fault { name: "will-on-takeover-with-clean-start", versions: NEW, why: NOT_TOLD },
    Fault {
        name: "wrong-direction",
        versions: BOTH,
        why: "a client that sends PINGRESP may stay [MQTT-4.13.1-1]",
    },
];
