//! Connections that we make: begun without waiting, and names looked up where waiting harms nobody.
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard};

/// A socket that is being connected: it can be written to once it is, or reads an error once it can't be. It is bound to
/// `from`, if that is said.
pub fn begin(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(from) = from {
        let bound = socket.bind(&SocketAddr::new(from, 0).into());
        bound.map_err(|error| io::Error::new(error.kind(), format!("from {from}: {error}")))?;
    }
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

/// What becomes of a name: its addresses, or the system's words.
pub(crate) type Found = Box<dyn FnOnce(Result<Vec<SocketAddr>, Arc<str>>) + Send>;

type Name = (Box<str>, u16);
pub(crate) type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Names that are looked up at a time: one that takes long does not make the others wait.
const THREADS: usize = 8;

/// Looks up names on threads that are there as long as there is something to look up.
pub(crate) struct Resolver {
    lookup: Lookup,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    /// Who wants to know, by name; each name is looked up once for all of them.
    waiting: BTreeMap<Name, Vec<Found>>,
    /// Names that no thread has taken yet.
    queue: VecDeque<Name>,
    threads: usize,
}

impl Default for Resolver {
    fn default() -> Self {
        let lookup = |host: &str, port| (host, port).to_socket_addrs().map(Iterator::collect);
        Self { lookup: Arc::new(lookup), asked: Arc::default() }
    }
}

impl Resolver {
    /// One that asks this instead of the system.
    #[cfg(test)]
    pub(crate) fn of(lookup: Lookup) -> Self {
        Self { lookup, asked: Arc::default() }
    }

    pub(crate) fn ask(&mut self, host: &str, port: u16, found: Found) {
        let mut asked = lock(&self.asked);
        let name: Name = (host.into(), port);
        if let Some(waiting) = asked.waiting.get_mut(&name) {
            return waiting.push(found);
        }
        asked.waiting.insert(name.clone(), vec![found]);
        asked.queue.push_back(name.clone());
        if asked.threads == THREADS {
            return;
        }
        asked.threads += 1;
        drop(asked);
        let (lookup, shared) = (Arc::clone(&self.lookup), Arc::clone(&self.asked));
        let thread = std::thread::Builder::new().name("resolver".to_owned());
        if let Err(error) = thread.spawn(move || answer_all(&lookup, &shared)) {
            let mut asked = lock(&self.asked);
            asked.threads -= 1;
            // Another thread may take it; if there is none, nobody will.
            if asked.threads == 0 {
                asked.queue.clear();
                let waiting = std::mem::take(&mut asked.waiting);
                drop(asked);
                let error: Arc<str> = error.to_string().into();
                waiting.into_values().flatten().for_each(|found| found(Err(Arc::clone(&error))));
            }
        }
    }
}

fn answer_all(lookup: &Lookup, shared: &Mutex<Asked>) {
    loop {
        let mut asked = lock(shared);
        let Some(name) = asked.queue.pop_front() else {
            asked.threads -= 1;
            return;
        };
        drop(asked);
        let result = lookup(&name.0, name.1).map_err(|error| error.to_string().into());
        let waiting = lock(shared).waiting.remove(&name).unwrap_or_default();
        waiting.into_iter().for_each(|found| found(result.clone()));
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().expect("nothing panics while it is held")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[test]
    fn a_connection_comes_from_where_it_was_asked_to() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let begun = begin(to, Some(IpAddr::from([127, 0, 0, 1]))).unwrap();
        assert_eq!(listener.accept().unwrap().1, begun.local_addr().unwrap());
        // Documentation's, which nobody has.
        let error = begin(to, Some(IpAddr::from([192, 0, 2, 1]))).unwrap_err();
        assert!(error.to_string().starts_with("from 192.0.2.1: "), "{error}");
    }

    #[test]
    fn a_name_that_takes_long_is_looked_up_once_and_holds_up_nobody() {
        let (release, released) = channel::<()>();
        let (released, looked_up) = (Mutex::new(released), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&looked_up);
        let lookup = move |host: &str, port: u16| {
            count.fetch_add(1, Ordering::SeqCst);
            if host == "slow" {
                released.lock().unwrap().recv().unwrap();
            }
            Ok(vec![SocketAddr::from(([10, 0, 0, 1], port))])
        };
        let mut resolver = Resolver::of(Arc::new(lookup));
        let (tell, told) = channel();
        let mut ask = |host: &'static str| {
            let tell = tell.clone();
            resolver.ask(host, 7, Box::new(move |found| tell.send((host, found.unwrap())).unwrap()));
        };
        (0..100).for_each(|_| ask("slow"));
        ask("fast");
        let address = vec![SocketAddr::from(([10, 0, 0, 1], 7))];
        assert_eq!(told.recv().unwrap(), ("fast", address.clone()));
        release.send(()).unwrap();
        for _ in 0..100 {
            assert_eq!(told.recv().unwrap(), ("slow", address.clone()));
        }
        assert_eq!(looked_up.load(Ordering::SeqCst), 2);
    }
}
