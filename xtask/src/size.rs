//! `cargo xtask size`: what a client takes on a machine without an operating system.
use crate::Result;
use crate::shell::{cargo, root, run as run_command, step, target};
use std::path::PathBuf;

const MACHINE: &str = "thumbv7em-none-eabi";

pub(crate) fn run() -> Result {
    let program = step("a client for a Cortex-M4", build)?;
    let sizes = Sizes::of(&std::fs::read(program)?).ok_or("not a program for a machine of 32 bits")?;
    println!("flash {:6} bytes", sizes.flash);
    println!("RAM   {:6} bytes, its heap among them; its stack comes on top", sizes.ram);
    Ok(())
}

/// Builds the example; returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let manifest = root().join("crates/core/examples/bare-metal/Cargo.toml");
    let folder = target().join("bare-metal");
    let mut build = cargo(&["build", "--release", "--target", MACHINE, "--manifest-path"]);
    build.arg(manifest).env("CARGO_TARGET_DIR", &folder);
    run_command(build)?;
    Ok(folder.join(MACHINE).join("release/tidewire-bare-metal"))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes {
    flash: u32,
    ram: u32,
}

impl Sizes {
    /// Adds up what the sections of an ELF file take, as its headers say.
    fn of(file: &[u8]) -> Option<Self> {
        const WRITABLE: u32 = 1;
        const ALLOCATED: u32 = 2;
        const NO_BITS: u32 = 8;
        if !file.starts_with(b"\x7fELF\x01\x01") {
            return None;
        }
        let mut sizes = Self::default();
        let (first, each, count) = (word(file, 0x20)?, half(file, 0x2e)?, half(file, 0x30)?);
        for number in 0..u32::from(count) {
            let at = usize::try_from(first + number * u32::from(each)).ok()?;
            let (kind, flags, size) = (word(file, at + 4)?, word(file, at + 8)?, word(file, at + 20)?);
            if flags & ALLOCATED == 0 {
                continue;
            }
            if flags & WRITABLE != 0 {
                sizes.ram += size;
            }
            // What begins with a value is kept in flash, and copied.
            if kind != NO_BITS {
                sizes.flash += size;
            }
        }
        Some(sizes)
    }
}

fn word(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
}

fn half(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_added_up() {
        let mut file = vec![0; 52];
        file[..6].copy_from_slice(b"\x7fELF\x01\x01");
        file[0x20] = 52;
        (file[0x2e], file[0x30]) = (40, 3);
        // Text of 100 bytes, 20 that begin as zero, and something that is only in the file.
        for (kind, flags, size) in [(1, 6, 100), (8, 3, 20), (1, 0, 7)] {
            let mut section = vec![0; 40];
            (section[4], section[8], section[20]) = (kind, flags, size);
            file.extend(section);
        }
        assert_eq!(Sizes::of(&file), Some(Sizes { flash: 100, ram: 20 }));
        assert_eq!(Sizes::of(b"no ELF"), None);
    }
}
