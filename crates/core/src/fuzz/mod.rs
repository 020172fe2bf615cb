//! What the fuzz targets of the core do with their input, so that tests can call it too.
//!
//! Each function takes bytes as they come and panics where something does not hold.
mod decode;
mod faults;
mod life;
mod restore;
mod round_trip;
mod topic;
mod verbs;

pub use decode::decode;
pub use faults::faults;
pub use restore::restore;
pub use round_trip::round_trip;
pub use topic::topic;
pub use verbs::verbs;

use crate::codec::{Leniency, Mode};
use crate::version::{Role, Version};

/// All that can be forgiven.
const FORGIVING: Leniency =
    Leniency { dup_without_qos: true, fixed_header_flags: true, bridge_level: true, queue_filters: true };

/// Who reads which version: the low three bits of a byte.
fn mode_of(byte: u8) -> Mode {
    let role = if byte & 1 == 0 { Role::Server } else { Role::Client };
    let versions = [None, Some(Version::V3_1), Some(Version::V3_1_1), Some(Version::V5)];
    Mode { role, version: versions[usize::from(byte >> 1 & 3)] }
}
