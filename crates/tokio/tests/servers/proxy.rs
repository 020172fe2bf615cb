//! A line to a server that is cut when it is asked for.
use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// It goes on for as long as the process does.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Both sides of each connection since the last cut.
    sides: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let sides = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&sides);
        spawn(move || {
            for client in listener.incoming() {
                let (client, server) =
                    (client.expect("somebody connects"), TcpStream::connect(server).expect("it is there"));
                let copy = |side: &TcpStream| side.try_clone().expect("a socket");
                let both = [(copy(&client), copy(&server)), (copy(&server), copy(&client))];
                kept.lock().expect("nothing panics while it is held").extend([client, server]);
                for (from, to) in both {
                    from.set_nodelay(true).expect("it is a socket");
                    spawn(move || pass_on(&from, &to));
                }
            }
        });
        Self { address, sides }
    }

    /// Without a word to either side. True if there was something to cut.
    pub(crate) fn cut(&self) -> bool {
        let sides = std::mem::take(&mut *self.sides.lock().expect("nothing panics while it is held"));
        for side in &sides {
            // It may be closed already.
            let _ = side.shutdown(Shutdown::Both);
        }
        !sides.is_empty()
    }
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    // However it ends, it is over.
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
