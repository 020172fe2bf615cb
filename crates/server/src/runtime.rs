//! Who waits for sockets.
use std::fmt;
use std::io;
use std::str::FromStr;
use tidewire_driver::serve::{Running, ServeConfig};

/// What a server's shards run on. Clients notice no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Tokio, a runtime for each shard.
    Tokio,
    /// mio's poll on plain threads: the least memory for each connection.
    #[default]
    Mio,
}

impl Runtime {
    /// All that there are.
    pub const ALL: [Self; 2] = [Self::Tokio, Self::Mio];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Mio => "mio",
        }
    }

    pub(crate) fn serve(self, config: ServeConfig) -> io::Result<Running> {
        match self {
            Self::Tokio => tidewire_tokio::serve(config),
            Self::Mio => tidewire_mio::serve(config),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// It is no runtime's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRuntime;

impl fmt::Display for UnknownRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such runtime; there are {}", Runtime::ALL.map(Runtime::name).join(" and "))
    }
}

impl std::error::Error for UnknownRuntime {}

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(name: &str) -> Result<Self, UnknownRuntime> {
        Self::ALL.into_iter().find(|runtime| runtime.name() == name).ok_or(UnknownRuntime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_others_are_told_which_there_are() {
        for runtime in Runtime::ALL {
            assert_eq!(runtime.to_string().parse(), Ok(runtime));
        }
        let said = "Tokio".parse::<Runtime>().expect_err("names are lower case").to_string();
        assert_eq!(said, "no such runtime; there are tokio and mio");
    }
}
