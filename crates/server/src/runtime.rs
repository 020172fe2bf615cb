//! Who waits for sockets.
use std::fmt;
use std::io;
use std::str::FromStr;
use tidewire_driver::serve::{Running, ServeConfig};

/// What a server's shards run on. Clients notice no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runtime {
    /// Tokio, a runtime for each shard.
    Tokio,
    /// mio's poll on plain threads: the least memory for each connection.
    #[default]
    Mio,
    /// async-std, one reactor for the whole process. It is discontinued.
    #[cfg(feature = "async-std")]
    AsyncStd,
}

impl Runtime {
    /// All that there are in this build.
    pub const ALL: &[Self] = &[
        Self::Tokio,
        Self::Mio,
        #[cfg(feature = "async-std")]
        Self::AsyncStd,
    ];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Mio => "mio",
            #[cfg(feature = "async-std")]
            Self::AsyncStd => "async-std",
        }
    }

    pub(crate) fn serve(self, config: ServeConfig) -> io::Result<Running> {
        match self {
            Self::Tokio => tidewire_tokio::serve_with(config),
            Self::Mio => tidewire_mio::serve_with(config),
            #[cfg(feature = "async-std")]
            Self::AsyncStd => tidewire_async_std::serve_with(config),
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
        f.write_str("no such runtime; there are ")?;
        for (n, runtime) in Runtime::ALL.iter().enumerate() {
            let before = match n {
                0 => "",
                n if n + 1 == Runtime::ALL.len() => " and ",
                _ => ", ",
            };
            write!(f, "{before}{runtime}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownRuntime {}

impl FromStr for Runtime {
    type Err = UnknownRuntime;

    fn from_str(name: &str) -> Result<Self, UnknownRuntime> {
        Self::ALL.iter().copied().find(|runtime| runtime.name() == name).ok_or(UnknownRuntime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_others_are_told_which_there_are() {
        for runtime in Runtime::ALL {
            assert_eq!(runtime.to_string().parse(), Ok(*runtime));
        }
        let said = "Tokio".parse::<Runtime>().expect_err("names are lower case").to_string();
        let there_are =
            if cfg!(feature = "async-std") { "tokio, mio and async-std" } else { "tokio and mio" };
        assert_eq!(said, format!("no such runtime; there are {there_are}"));
    }
}
