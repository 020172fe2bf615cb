//! Programs that Debian packages: installed where that may be done, otherwise named.
use crate::shell::{command, exists, run as run_command};
use std::path::Path;

/// Something that has to be there, and the packages that have it.
pub(crate) struct Need {
    pub(crate) is_there: fn() -> bool,
    pub(crate) packages: &'static [&'static str],
}

pub(crate) const CXX: Need = Need { is_there: || exists("c++"), packages: &["g++"] };
pub(crate) const MOSQUITTO: Need =
    Need { is_there: || exists("mosquitto_sub"), packages: &["mosquitto-clients"] };
pub(crate) const MOSQUITTO_AND_CLIENTS: Need = Need {
    is_there: || {
        exists("mosquitto_sub") && (exists("mosquitto") || Path::new("/usr/sbin/mosquitto").is_file())
    },
    packages: &["mosquitto", "mosquitto-clients"],
};
pub(crate) const NATS: Need = Need { is_there: || exists("nats-server"), packages: &["nats-server"] };
pub(crate) const NODE: Need =
    Need { is_there: || exists("node") && exists("npm"), packages: &["nodejs", "npm"] };
/// With what makes environments; Debian packages that apart.
pub(crate) const PYTHON: Need =
    Need { is_there: python_makes_environments, packages: &["python3", "python3-venv"] };
pub(crate) const RABBITMQ: Need = Need {
    is_there: || Path::new(RABBITMQ_SERVER).is_file() && exists("epmd"),
    packages: &["rabbitmq-server"],
};
/// Not the one in /usr/sbin, which changes to a user of its own.
pub(crate) const RABBITMQ_SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
pub(crate) const VALGRIND: Need = Need { is_there: || exists("valgrind"), packages: &["valgrind"] };

impl Need {
    /// Is it there, or could it be installed?
    pub(crate) fn is_met(&self) -> bool {
        (self.is_there)() || (self.install().is_ok() && (self.is_there)())
    }

    fn install(&self) -> crate::Result {
        if !exists("apt-get") || !is_root() {
            return Err("only root installs packages, and only with apt-get".into());
        }
        let mut update = command("apt-get");
        update.args(["update", "--quiet"]);
        run_command(update)?;
        let mut install = command("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        install.args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(self.packages);
        run_command(install)
    }
}

fn is_root() -> bool {
    let id = command("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

fn python_makes_environments() -> bool {
    let python = command("python3").args(["-c", "import ensurepip, venv"]).output();
    python.is_ok_and(|python| python.status.success())
}
