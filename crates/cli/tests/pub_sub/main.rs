//! `tidewire pub`, `sub` and `rr`, as scripts use them.
#![cfg(unix)]
mod again;
#[path = "../common/broker.rs"]
mod broker;
mod on_time;
mod publishing;
mod refused;
mod requesting;
mod scripted;
#[path = "../common/server.rs"]
mod server;
mod subscribing;
mod support;
