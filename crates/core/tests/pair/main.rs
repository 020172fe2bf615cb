//! Both ends of a connection in one thread: a client, a broker, and a line between them that splits, merges, delays
//! and cuts, all from one seed.
//!
//! `PAIR_SEED=n` runs one random pair alone and tells it.
#![forbid(unsafe_code)]
#![cfg(all(feature = "broker", feature = "client"))]
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod application;
mod cuts;
#[path = "../common/random.rs"]
mod draw;
mod judge;
#[path = "../common/packets.rs"]
mod packets;
mod pair;
mod random;
mod scripted;
mod server;
mod stories;
