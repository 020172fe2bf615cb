//! Connections that we make: begun without waiting, and names looked up where waiting harms nobody.
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Sender, channel};

/// A socket that is being connected: it can be written to once it is, or reads an error once it can't be.
pub fn begin(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == ErrorKind::WouldBlock
}

/// What becomes of a name.
pub(crate) type Found = Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>;

/// A thread that looks up names, one after the other, once there is one to look up.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    questions: Option<Sender<(String, u16, Found)>>,
}

impl Resolver {
    pub(crate) fn ask(&mut self, host: &str, port: u16, found: Found) {
        let question = (host.to_owned(), port, found);
        let unasked = match &self.questions {
            Some(questions) => questions.send(question).err().map(|back| back.0),
            None => Some(question),
        };
        let Some(question) = unasked else { return };
        let (questions, asked) = channel::<(String, u16, Found)>();
        let thread = std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            for (host, port, found) in asked {
                found((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
            }
        });
        match thread {
            Ok(_) => {
                // It has just begun to listen.
                let _ = questions.send(question);
                self.questions = Some(questions);
            }
            Err(error) => (question.2)(Err(error)),
        }
    }
}
