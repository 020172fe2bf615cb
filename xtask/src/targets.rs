//! `cargo xtask targets`: the core builds where there is no operating system.
use crate::Result;
use crate::shell::{cargo, run as run_command, step};

pub(crate) const ALL: [&str; 2] = ["thumbv7em-none-eabi", "wasm32-unknown-unknown"];

pub(crate) fn run() -> Result {
    for target in ALL {
        for features in [&[][..], &["--no-default-features"], &["--no-default-features", "--features=client"]]
        {
            step(&format!("core for {target} {}", features.join(" ")), || {
                let mut build = cargo(&["build", "--package", "tidewire-core", "--lib", "--target", target]);
                build.args(features);
                run_command(build)
            })?;
        }
    }
    Ok(())
}
