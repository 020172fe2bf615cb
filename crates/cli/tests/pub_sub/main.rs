//! `tidewire pub` and `tidewire sub`, as scripts use them.
#![cfg(unix)]
mod publishing;
mod refused;
mod scripted;
mod subscribing;
mod support;
