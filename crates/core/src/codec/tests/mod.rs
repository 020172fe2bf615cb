//! The codec as a whole. `support` is the one place that calls it.
mod accepted;
mod catalogue;
mod encoding;
mod limits;
mod properties;
mod reason_codes;
mod refused;
mod round_trip;
mod strategies;
mod streams;
mod support;
