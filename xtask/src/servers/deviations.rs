//! What servers are known to do in another way, and why: a row that deviates is no failure, and one that no longer does is.
use Occurs::{Always, Sometimes};

/// One thing, in each column that has one of these servers and versions.
pub(super) struct Deviation {
    pub(super) servers: &'static [&'static str],
    pub(super) versions: &'static [&'static str],
    /// Parts of their names.
    pub(super) rows: &'static [&'static str],
    /// Part of what such a row fails with.
    pub(super) says: &'static str,
    pub(super) occurs: Occurs,
    pub(super) why: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurs {
    /// Where it does not, it is no longer known.
    Always,
    /// By chance: it depends on what was under way at a moment.
    Sometimes,
}

const ALL: &[&str] = &["Tidewire", "mosquitto", "RabbitMQ", "NATS"];
const OLD: &[&str] = &["3.1.1"];
const BOTH: &[&str] = &["3.1.1", "5.0"];

pub(super) const DEVIATIONS: [Deviation; 10] = [
    Deviation {
        servers: ALL,
        versions: OLD,
        rows: &["version_5::"],
        says: "only 5.0 has it",
        occurs: Always,
        why: "only 5.0 has it",
    },
    Deviation {
        servers: &["Tidewire"],
        versions: BOTH,
        rows: &["a_wrong_password_is_refused"],
        says: "anybody is let in",
        occurs: Always,
        why: "it asks nobody for a password yet",
    },
    Deviation {
        servers: &["mosquitto"],
        versions: &["5.0"],
        rows: &["who_loses_its_session_to_another_ends"],
        says: "it hears why\n  left: Closed",
        occurs: Always,
        why: "2.0.11 closes without saying why [MQTT-3.1.4-3], so both come back and take it from each other again",
    },
    Deviation {
        servers: &["RabbitMQ", "NATS"],
        versions: OLD,
        rows: &["qos_2_arrives", "over_cuts_qos_2_comes_once"],
        says: "granted\n  left: AtLeastOnce",
        occurs: Always,
        why: "it knows no QoS 2, and grants 1 instead",
    },
    Deviation {
        servers: &["RabbitMQ"],
        versions: OLD,
        rows: &["qos_2_is_published"],
        says: "the server broke the protocol",
        occurs: Always,
        why: "it knows no QoS 2, and answers with PUBACK: the publish fails, and the client goes on on another connection",
    },
    Deviation {
        servers: &["NATS"],
        versions: OLD,
        rows: &["qos_2_is_published"],
        says: "the server closed the connection",
        occurs: Always,
        why: "it knows no QoS 2, and closes: after ten connections the publish fails, and the client goes on",
    },
    Deviation {
        servers: &["RabbitMQ"],
        versions: OLD,
        rows: &["a_level_may_have_dots"],
        says: "/pump/7/bar\"",
        occurs: Always,
        why: "a dot is a slash to it: what is published to `pump.7/bar` comes as `pump/7/bar`, which matches no filter here",
    },
    Deviation {
        servers: &["NATS"],
        versions: OLD,
        rows: &["a_level_may_have_dots", "a_level_may_have_spaces"],
        says: "the server refused it: 0x80",
        occurs: Always,
        why: "before 2.10 its topics have neither dots nor spaces: it refuses to subscribe",
    },
    Deviation {
        servers: &["NATS"],
        versions: OLD,
        rows: &["two_streams_that_match_have_it_once_each"],
        says: "copies of each",
        occurs: Always,
        why: "it sends a copy for each subscription, and before 5.0 nothing tells them apart: each stream gets both",
    },
    Deviation {
        servers: &["NATS"],
        versions: OLD,
        rows: &["over_cuts_qos_1_keeps_its_order"],
        says: "out of order",
        occurs: Sometimes,
        why: "it sends again after a time, not on the next connection, and what is new before that",
    },
];

impl Deviation {
    /// That of this row of this column, and its place.
    pub(super) fn of(server: &str, version: &str, row: &str) -> Option<(usize, &'static Self)> {
        DEVIATIONS.iter().enumerate().find(|(_, deviation)| {
            deviation.servers.contains(&server)
                && deviation.versions.contains(&version)
                && deviation.rows.iter().any(|part| row.contains(part))
        })
    }
}
