//! A broker's contract, shown from outside: shards in virtual time, without sockets.
#[path = "../common/random.rs"]
mod draw;
#[path = "../common/packets.rs"]
mod packets;
mod support;

mod again;
mod aliases;
mod aliases_outward;
mod authorities;
mod beside;
mod both_kinds;
mod changes;
mod cuts;
mod ends;
mod fan_out;
mod fates;
mod floods;
mod flow;
mod grants;
mod group_deaths;
mod group_storms;
mod groups;
mod host;
mod identifiers;
mod large;
mod leaks;
mod leniency;
mod limits;
mod locals;
mod pauses;
mod pipelining;
mod queues;
mod refusal;
mod retained;
mod room;
mod sessions;
mod storm;
mod strategies;
mod supported;
mod tickets;
mod told;
mod wills;
