//! How many files this process may have open.

/// What the process needs for itself: listeners, runtimes, standard streams.
const OWN: u64 = 100;

/// Raises how many files this process may have open, as far as it may be raised; says what it is if that is too little for
/// so many connections.
#[cfg(unix)]
pub fn raise(connections: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    let now = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted,
        // Some systems have a ceiling below what they call the maximum.
        Err(_) => before,
    };
    now.current.filter(|&allowed| allowed < connections.saturating_add(OWN))
}

/// It can't be asked here.
#[cfg(not(unix))]
pub fn raise(connections: u64) -> Option<u64> {
    let _ = connections.saturating_add(OWN);
    None
}
