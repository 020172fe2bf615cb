//! The example without a runtime, as it stands.
#![forbid(unsafe_code)]
#![cfg(feature = "client")]

#[allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "it is shared with the adapters, whose programs say goodbye"
)]
#[path = "../../driver/src/suite/documented.rs"]
mod documented;

use std::net::SocketAddr;

fn arguments(server: SocketAddr) -> Vec<String> {
    vec![server.to_string(), "sensors/#".to_owned()]
}

#[test]
fn a_wrong_password_ends_it_with_a_line() {
    documented::refused("blocking", arguments);
}

#[test]
fn a_server_that_is_not_there_ends_it_with_a_line() {
    documented::absent("blocking", arguments);
}

#[test]
fn a_server_that_never_answers_ends_it_with_a_line() {
    documented::silent("blocking", arguments);
}

#[test]
fn it_prints_what_comes_and_ends_when_the_server_leaves() {
    documented::leaving("blocking", arguments, "sensors/7: 21.5\n");
}
