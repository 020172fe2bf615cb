//! Shards in one thread, and a schedule that decides who turns next: what clients see must be what one plainly
//! right broker might have done.
//!
//! `EXPLORE_SEED=n` runs one random schedule alone and tells it.
#![forbid(unsafe_code)]
#![cfg(feature = "broker")]

mod checker;
mod client;
#[path = "../common/random.rs"]
mod draw;
mod exhaustive;
mod history;
mod random;
mod stories;
#[cfg(feature = "_rules")]
mod switches;
mod world;
