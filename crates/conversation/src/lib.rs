#![doc = include_str!("../README.md")]
//! ## Where to begin
//!
//! The same script runs against the core's broker in memory and virtual time ([`World`]), or over TCP against
//! anyone's broker ([`Tcp`]): what differs is a [`Wire`]. A [`ladder`] shows what went over either.
//!
//! ## The language
//! `#` begins a comment; the first one of a script is its title. `versions` lists the protocol versions to run it
//! with (5 if it does not say); a client that names no `version=` speaks that of the run. `needs tidewire` marks
//! what other brokers may decide differently; `needs receive_maximum=2` a broker with that limit, which only
//! [`World::limited`] has. `wait 10s` lets time pass.
//!
//! | step | what it does |
//! |---|---|
//! | `alice opens` | a network connection without CONNECT |
//! | `alice connects "id" clean_start keep_alive=10 …` | opens one if there is none, and sends CONNECT |
//! | `alice publishes "topic" "payload" qos=1 id=7 retain dup …` | sends PUBLISH |
//! | `alice subscribes "filter" qos=1 no_local … id=1 …` | sends SUBSCRIBE; options follow their filter |
//! | `alice unsubscribes "filter" … id=1` | sends UNSUBSCRIBE |
//! | `alice sends PUBACK 7 Success`, `alice sends 30 03 …` | sends a packet, or bytes as they are |
//! | `alice gets PACKET …`, `alice gets PACKET … and PACKET …` | these packets come next; several in any order |
//! | `alice gets nothing` | nothing has come |
//! | `alice is closed` | the server closes, and nothing comes before that |
//! | `alice is refused REASON` | the server closes, and may say why in a CONNACK |
//! | `alice closes`, `alice is cut` | ends the connection: in order, or by a reset |
//!
//! Properties have the specification's names (`message_expiry_interval=9`, `user_property="k":"v"`); `*` stands for
//! any value. A PUBLISH is compared whole: what a line does not name must not be there. Of other packets only what
//! is named is compared. A Packet Identifier may be a name: the first `gets` that uses it binds it, later uses
//! mean that number. Reason Codes may be alternatives, `Success|NoMatchingSubscribers`.
#![forbid(unsafe_code)]
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod citation;
pub mod ladder;
mod memory;
mod packet;
mod property;
mod read;
mod run;
mod script;
pub mod scripts;
mod tcp;
mod text;
mod write;

pub use citation::{Citation, Heading};
pub use memory::World;
pub use run::{Failure, Fault, Heard, LineId, Wire, run};
pub use script::Script;
pub use tcp::Tcp;
pub use text::ScriptError;
