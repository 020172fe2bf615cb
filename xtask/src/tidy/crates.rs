//! Which crate may depend on which: DESIGN's picture, read from `cargo metadata`.
use super::Complaint;
use crate::Result;
use crate::shell::{cargo, output, root};
use serde_json::Value;
use std::path::Path;

const ADAPTERS: [&str; 3] = ["tidewire-tokio", "tidewire-async-std", "tidewire-mio"];

/// Who may import which of our crates.
const MAY_IMPORT: [(&str, &[&str]); 10] = [
    ("tidewire-core", &[]),
    ("tidewire-driver", &["tidewire-core"]),
    ("tidewire-tokio", &["tidewire-core", "tidewire-driver"]),
    ("tidewire-async-std", &["tidewire-core", "tidewire-driver"]),
    ("tidewire-mio", &["tidewire-core", "tidewire-driver"]),
    ("tidewire-store", &["tidewire-core"]),
    ("tidewire-conversation", &["tidewire-core"]),
    ("tidewire-sim", &["tidewire-core", "tidewire-driver", "tidewire-store"]),
    (
        "tidewire-server",
        &[
            "tidewire-core",
            "tidewire-driver",
            "tidewire-tokio",
            "tidewire-async-std",
            "tidewire-mio",
            "tidewire-store",
        ],
    ),
    (
        "tidewire",
        &[
            "tidewire-core",
            "tidewire-driver",
            "tidewire-tokio",
            "tidewire-async-std",
            "tidewire-mio",
            "tidewire-store",
            "tidewire-server",
            "tidewire-conversation",
            "tidewire-sim",
        ],
    ),
];

/// All that the core needs of others.
const OF_CORE: [&str; 5] = ["bytes", "foldhash", "hashbrown", "nom", "siphasher"];

/// Configuration and HTTP: the server's and the command line's.
const OF_SERVER: [&str; 12] = [
    "axum",
    "figment",
    "config",
    "http",
    "hyper",
    "reqwest",
    "serde",
    "serde_json",
    "toml",
    "toml_edit",
    "ureq",
    "utoipa",
];

pub(super) fn check() -> Result<Vec<Complaint>> {
    let metadata: Value =
        serde_json::from_str(&output(cargo(&["metadata", "--format-version=1", "--no-deps"]))?)?;
    let mut complaints = vec![];
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = from_the_top(package["manifest_path"].as_str().unwrap_or_default());
        roots(package, name, &mut complaints)?;
        if name == "xtask" {
            continue;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let imported = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"] != "dev"
                && let Some(why) = forbidden(name, imported)
            {
                complaints.push(Complaint::new(
                    &manifest,
                    0,
                    format!("`{name}` imports `{imported}`: {why}"),
                ));
            }
        }
    }
    Ok(complaints)
}

fn forbidden(name: &str, imported: &str) -> Option<&'static str> {
    if name == "tidewire-core" && !OF_CORE.contains(&imported) {
        return Some("the core needs bytes, nom and a hash map, and no more");
    }
    if !matches!(name, "tidewire-server" | "tidewire") && OF_SERVER.contains(&imported) {
        return Some("only server and cli know serde, TOML and HTTP");
    }
    if imported != "tidewire" && !imported.starts_with("tidewire-") {
        return None;
    }
    let Some((_, may)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
        return Some(
            "the importing crate has no place in the picture yet: give it one in xtask/src/tidy/crates.rs",
        );
    };
    if may.contains(&imported) {
        None
    } else if ADAPTERS.contains(&name) && ADAPTERS.contains(&imported) {
        Some("an adapter never imports another adapter")
    } else if imported == "tidewire-server" {
        Some("nothing imports the server but the command line")
    } else {
        Some("imports go from the core outward; see docs/ARCHITECTURE.md")
    }
}

/// The first lines of each crate: no `unsafe`, and in the core no `std`.
fn roots(package: &Value, name: &str, complaints: &mut Vec<Complaint>) -> Result {
    for target in package["targets"].as_array().into_iter().flatten() {
        if target["kind"][0] != "lib" && target["kind"][0] != "bin" {
            continue;
        }
        let path = target["src_path"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(path)?;
        let file = from_the_top(path);
        if !text.lines().any(|line| line == "#![forbid(unsafe_code)]") {
            complaints.push(Complaint::new(&file, 1, "a crate root: add `#![forbid(unsafe_code)]`"));
        }
        if name == "tidewire-core" && target["kind"][0] == "lib" && !text.lines().any(|l| l == "#![no_std]") {
            complaints.push(Complaint::new(&file, 1, "the core is always `#![no_std]`: add it"));
        }
    }
    Ok(())
}

fn from_the_top(path: &str) -> String {
    Path::new(path).strip_prefix(root()).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_go_from_the_core_outward() {
        for (name, imported, allowed) in [
            ("tidewire-core", "nom", true),
            ("tidewire-core", "log", false),
            ("tidewire-driver", "tidewire-core", true),
            ("tidewire-driver", "tidewire-tokio", false),
            ("tidewire-mio", "tidewire-tokio", false),
            ("tidewire-server", "tidewire-mio", true),
            ("tidewire-sim", "tidewire-server", false),
            ("tidewire", "tidewire-server", true),
            ("tidewire-server", "toml", true),
            ("tidewire-store", "serde", false),
            ("tidewire-new", "tidewire-core", false),
        ] {
            assert_eq!(forbidden(name, imported).is_none(), allowed, "{name} imports {imported}");
        }
    }
}
