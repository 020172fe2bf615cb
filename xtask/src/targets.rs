//! `cargo xtask targets`: the core builds where there is no operating system.
use crate::shell::{cargo, command, exists, output, root, run as run_command, step, target};
use crate::{Result, size};

const ALL: [&str; 2] = ["thumbv7em-none-eabi", "wasm32-unknown-unknown"];

/// Those that it builds for are added where rustup is there to add them.
pub(crate) fn add() -> Result {
    if !exists("rustup") {
        return Ok(());
    }
    let installed = output({
        let mut rustup = command("rustup");
        rustup.args(["target", "list", "--installed"]);
        rustup
    })?;
    for target in ALL.iter().filter(|target| !installed.lines().any(|line| line == **target)) {
        let mut rustup = command("rustup");
        rustup.args(["target", "add", target]);
        run_command(rustup)?;
    }
    Ok(())
}

pub(crate) fn run() -> Result {
    add()?;
    for machine in ALL {
        for features in [&[][..], &["--no-default-features"], &["--no-default-features", "--features=client"]]
        {
            step(&format!("core for {machine} {}", features.join(" ")), || {
                let mut build = cargo(&["build", "--package", "tidewire-core", "--lib", "--target", machine]);
                build.args(features);
                run_command(build)
            })?;
        }
    }
    step("a client in a browser", || {
        let manifest = root().join("crates/core/examples/browser/Cargo.toml");
        // Built for a page, and played without one.
        for arguments in [&["build", "--target", "wasm32-unknown-unknown"][..], &["run"]] {
            let mut cargo = cargo(arguments);
            cargo.arg("--manifest-path").arg(&manifest).env("CARGO_TARGET_DIR", target().join("browser"));
            run_command(cargo)?;
        }
        Ok(())
    })?;
    step("a client on bare metal", || size::build().map(drop))
}
