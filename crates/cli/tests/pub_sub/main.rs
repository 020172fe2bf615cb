//! `tidewire pub` and `tidewire sub`, as scripts use them.
#![cfg(unix)]
#[path = "../common/broker.rs"]
mod broker;
mod publishing;
mod refused;
mod scripted;
mod subscribing;
mod support;
