//! Retained Messages: by topic, and on their way to new subscriptions.
pub(crate) mod index;
mod steer;
#[cfg(test)]
mod tests;
