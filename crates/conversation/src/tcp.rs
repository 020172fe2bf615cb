//! The wire to anyone's broker.
use crate::run::{Heard, LineId, Wire};
use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Blocking sockets, and real time.
#[derive(Debug)]
pub struct Tcp {
    broker: SocketAddr,
    patience: Duration,
    lines: Vec<TcpStream>,
}

impl Tcp {
    /// Waits for a packet no longer than `patience`.
    pub fn new(broker: SocketAddr, patience: Duration) -> Self {
        Self { broker, patience, lines: vec![] }
    }
}

impl Wire for Tcp {
    fn open(&mut self) -> io::Result<LineId> {
        let stream = TcpStream::connect_timeout(&self.broker, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        self.lines.push(stream);
        Ok(LineId(self.lines.len() - 1))
    }

    fn send(&mut self, line: LineId, bytes: &[u8]) {
        // A peer that has closed is found out by `receive`.
        let _ = self.lines[line.0].write_all(bytes);
    }

    fn receive(&mut self, line: LineId, into: &mut Vec<u8>) -> Heard {
        let mut buffer = [0; 4096];
        loop {
            return match self.lines[line.0].read(&mut buffer) {
                Ok(0) => Heard::Closed,
                Ok(n) => {
                    into.extend_from_slice(&buffer[..n]);
                    Heard::Bytes
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => Heard::Nothing,
                    _ => Heard::Closed,
                },
            };
        }
    }

    /// The standard library cannot send a reset; to the broker a connection without DISCONNECT is the same. What another
    /// client does next it does to a broker that has noticed.
    fn close(&mut self, line: LineId, _cut: bool) {
        // It may have gone already.
        let _ = self.lines[line.0].shutdown(Shutdown::Write);
        while self.lines[line.0].read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
        let _ = self.lines[line.0].shutdown(Shutdown::Both);
    }

    /// Time is real here: what needs more of it than a test should take is not run over TCP.
    fn wait(&mut self, _time: Duration) {}

    fn is_virtual(&self) -> bool {
        false
    }
}
