//! Debian's mosquitto, as a broker to compare with and to be bridged to.
use super::matrix::Column;
use super::{Folder, Rows, USER, free_address};
use crate::Result;
use crate::shell::{Running, command, run, target};
use std::net::SocketAddr;
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// A port may be taken between the moment when it was free and the one when it is wanted.
const ATTEMPTS: u32 = 5;

/// Debian's broker, on a port that was free.
pub(crate) struct Mosquitto {
    pub(crate) address: SocketAddr,
    _running: Running,
}

impl Mosquitto {
    /// With these lines in its configuration, behind that of its listener.
    pub(crate) fn start(lines: &str) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let address = free_address()?;
            let folder = target().join("clients/mosquitto");
            std::fs::create_dir_all(&folder)?;
            let file = folder.join(format!("{}.conf", address.port()));
            std::fs::write(&file, format!("listener {} 127.0.0.1\n{lines}\n", address.port()))?;
            let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
            let program = program.into_iter().find(|path| std::path::Path::new(path).is_file());
            let mut mosquitto = command(program.unwrap_or("mosquitto"));
            mosquitto.arg("-c").arg(&file);
            let running = Running::start(mosquitto)?;
            let runs = running.wait_for(STARTS_WITHIN, |line| match line {
                line if line.ends_with(" running") => Some(true),
                line if line.contains("Error") => Some(false),
                _ => None,
            });
            std::fs::remove_file(&file)?;
            if runs == Some(true) {
                return Ok(Self { address, _running: running });
            }
        }
        Err("mosquitto does not start".into())
    }
}

/// Whoever has no password is let in, and whoever has a wrong one is not.
pub(super) fn with_users(rows: &Rows<'_>) -> Result<Vec<Column>> {
    let folder = Folder::new("mosquitto")?;
    let file = folder.0.join("passwords");
    let mut passwords = command("mosquitto_passwd");
    passwords.args(["-c", "-b"]).arg(&file).args([USER, USER]);
    run(passwords)?;
    // As root it would change to a user who may not read that.
    let mosquitto =
        Mosquitto::start(&format!("allow_anonymous true\nuser root\npassword_file {}", file.display()))?;
    Ok(rows(mosquitto.address))
}
