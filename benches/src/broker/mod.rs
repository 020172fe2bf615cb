//! What the broker's core costs, without a socket: for each delivery to a subscriber, if nothing else is said.
//!
//! One file knows [how a broker is driven](shards), one what clients say, one [what happens](scenes); the table stands here.
mod scenes;
mod shards;

use crate::jobs::{Job, warmed as job};
use scenes::{Away, Flow, Greet, Place, Replay};

/// Always in the same order.
pub fn jobs() -> Vec<Job> {
    let mut jobs = flows();
    jobs.push(job("away-1", "queued while the subscriber is away, then drained, QoS 1", Away::begin));
    jobs.push(job("retained", "a Retained Message that a new subscription matches", Replay::begin));
    jobs.push(job("connect", "a connection: CONNECT, CONNACK, DISCONNECT", Greet::begin));
    jobs
}

/// Twenty messages at a time.
fn flows() -> Vec<Job> {
    let pair = Flow { qos: 0, publishers: 1, batch: 20, subscribers: 1, turns: 100, place: Place::Memory };
    let fan_in = Flow { publishers: 20, batch: 1, ..pair };
    let fan_out = Flow { subscribers: 100, turns: 10, ..pair };
    let journaled = Flow { place: Place::Journal, ..pair };
    let two_shards = Flow { place: Place::TwoShards, ..pair };
    let lines = [
        ("pair-0", "a pair, QoS 0", pair, 0),
        ("pair-1", "a pair, QoS 1", pair, 1),
        ("pair-2", "a pair, QoS 2", pair, 2),
        ("fan-in-0", "20 publishers to one subscriber, QoS 0", fan_in, 0),
        ("fan-in-1", "20 publishers to one subscriber, QoS 1", fan_in, 1),
        ("fan-in-2", "20 publishers to one subscriber, QoS 2", fan_in, 2),
        ("fan-out-0", "one publisher to 100 subscribers, QoS 0", fan_out, 0),
        ("fan-out-1", "one publisher to 100 subscribers, QoS 1", fan_out, 1),
        ("journaled-1", "a pair, QoS 1, with a journal", journaled, 1),
        ("journaled-2", "a pair, QoS 2, with a journal", journaled, 2),
        ("two-shards-0", "a pair on two shards, QoS 0", two_shards, 0),
        ("two-shards-1", "a pair on two shards, QoS 1", two_shards, 1),
    ];
    let job = |(key, title, flow, qos)| job(key, title, move || Flow { qos, ..flow }.begin());
    lines.into_iter().map(job).collect()
}
