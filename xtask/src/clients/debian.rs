//! Debian's mosquitto, as a broker to compare with and to be bridged to.
use crate::Result;
use crate::shell::{Running, command, target};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// A port may be taken between the moment when it was free and the one when it is wanted.
const ATTEMPTS: u32 = 5;

/// Debian's broker, on a port that was free.
pub(super) struct Mosquitto {
    pub(super) address: SocketAddr,
    _running: Running,
}

impl Mosquitto {
    /// With these lines in its configuration, behind that of its listener.
    pub(super) fn start(lines: &str) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
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
