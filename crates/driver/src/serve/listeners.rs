//! Where to listen, and whom to let in there.
use super::StartError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

/// Where a server listens that was not told: on this machine, for this machine.
pub const DEFAULT_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1883),
    SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), 1883),
];

/// What to say when only the first of [`DEFAULT_LISTEN`] could be had.
pub const IPV6_SKIPPED: &str = "this machine has no IPv6 loopback: not listening on [::1]:1883";

/// Connections that the kernel completes before they are accepted; it may allow fewer.
const BACKLOG: i32 = 4096;

/// A listener of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bound {
    /// Where.
    pub address: SocketAddr,
    /// Everybody is let in; a user name and a password are not looked at. If not, the policy decides.
    pub anonymous: bool,
}

impl Bound {
    /// What is spoken there, and who is let in, in words.
    pub fn terms(&self) -> &'static str {
        if self.anonymous {
            "TCP, no TLS; anonymous clients are let in, user names and passwords are not checked"
        } else {
            "TCP, no TLS; the policy of this server says who is let in"
        }
    }
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// Whom a policy lets in.
    Guarded,
    /// Everybody on this machine.
    OpenHere,
    /// Everybody.
    Open,
}

/// All listeners or none. Whoever reaches one from elsewhere must have been invited.
pub(super) fn bind(listen: &[String], door: Door) -> Result<Vec<(Bound, TcpListener)>, StartError> {
    let mut addresses = Vec::new();
    for listen in listen {
        for address in resolve(listen)? {
            if !addresses.contains(&address) || address.port() == 0 {
                addresses.push(address);
            }
        }
    }
    if let Some(&address) = addresses.iter().find(|address| !is_loopback(address))
        && door == Door::OpenHere
    {
        return Err(StartError::Open { address });
    }
    addresses.into_iter().map(|address| bind_one(address, door)).collect()
}

pub(super) fn bind_default(door: Door) -> Result<Vec<(Bound, TcpListener)>, StartError> {
    let mut bound = Vec::new();
    for address in DEFAULT_LISTEN {
        match bind_one(address, door) {
            Err(StartError::Bind { error, .. }) if address.is_ipv6() && is_unsupported(&error) => {}
            result => bound.push(result?),
        }
    }
    Ok(bound)
}

/// The machine has no such address at all.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
        || error.raw_os_error().is_some_and(|code| UNSUPPORTED_FAMILY.contains(&code))
}

/// EAFNOSUPPORT, for which the standard library has no kind: Linux, the BSDs with macOS, Windows.
const UNSUPPORTED_FAMILY: [i32; 3] = [97, 47, 10047];

fn resolve(listen: &str) -> Result<Vec<SocketAddr>, StartError> {
    let Some((host, port)) = listen.rsplit_once(':') else {
        return Err(StartError::Listen { listen: listen.into() });
    };
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if host.is_empty() || port.parse::<u16>().is_err() || bare_ipv6 {
        return Err(StartError::Listen { listen: listen.into() });
    }
    match listen.to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(StartError::Resolve { listen: listen.into(), error }),
    }
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn bind_one(address: SocketAddr, door: Door) -> Result<(Bound, TcpListener), StartError> {
    let listener = listen_on(address).map_err(|error| StartError::Bind { address, error })?;
    let address = listener.local_addr().map_err(|error| StartError::Bind { address, error })?;
    Ok((Bound { address, anonymous: door != Door::Guarded }, listener))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Or 0.0.0.0 and [::] could not both be had, and peers would come with two kinds of address.
        socket.set_only_v6(true)?;
    }
    // On Windows this would let others take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(listen: &str, door: Door) -> String {
        bind(&[listen.into()], door).expect_err(listen).to_string()
    }

    #[test]
    fn beyond_loopback_it_takes_a_decision() {
        let said = refusal("0.0.0.0:0", Door::OpenHere);
        assert!(said.contains("0.0.0.0:0") && said.contains("--allow-anonymous"), "{said}");
        assert!(said.contains("127.0.0.1:0"), "{said}");
        assert!(bind(&["0.0.0.0:0".into()], Door::Open).is_ok());
        assert!(bind(&["127.0.0.1:0".into()], Door::OpenHere).is_ok());
        let guarded = bind(&["0.0.0.0:0".into()], Door::Guarded).expect("a policy has been given");
        assert!(!guarded[0].0.anonymous);
    }

    #[test]
    fn one_open_listener_is_enough_to_start_none() {
        let listen = ["127.0.0.1:0".into(), "0.0.0.0:0".into()];
        assert!(matches!(bind(&listen, Door::OpenHere), Err(StartError::Open { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(refusal("1883", Door::OpenHere).contains("127.0.0.1:1883"));
        assert!(refusal("127.0.0.1", Door::OpenHere).contains("127.0.0.1:1883"));
        assert!(refusal("::1", Door::OpenHere).contains("[::1]:1883"));
        assert!(refusal(":1883", Door::OpenHere).contains("127.0.0.1:1883"));
        assert!(refusal("127.0.0.1:mqtt", Door::OpenHere).contains("127.0.0.1:1883"));
    }

    #[test]
    fn a_port_in_use_and_an_address_of_others_say_so() {
        let taken = bind(&["127.0.0.1:0".into()], Door::OpenHere).expect("loopback");
        let said = refusal(&taken[0].0.address.to_string(), Door::OpenHere);
        assert!(said.contains("in use"), "{said}");
        // TEST-NET-1: nobody has it.
        let said = refusal("192.0.2.1:0", Door::Open);
        assert!(said.contains("no interface") && said.contains("0.0.0.0"), "{said}");
    }
}
