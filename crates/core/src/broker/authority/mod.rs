//! Who may do what.
pub(crate) mod grants;
pub mod policy;
pub(crate) mod questions;
pub(crate) mod supported;
