//! A client in a browser: the page's WebSocket is its line, the page's clock its time.
//!
//! ```sh
//! cargo build --manifest-path crates/core/examples/browser/Cargo.toml --target wasm32-unknown-unknown
//! ```
//! A page has no sockets that a program could wait for: it is called when something has happened. So [`Tab`] is all
//! that bindings to JavaScript have to wrap, each of its methods from the event of that name. `main` plays a page that
//! loads, and a server that lets it in.
use tidewire_core::client::{Action, Cause, Client, Config, Event, Message, Subscription};
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::TopicFilter;

/// What a page has to do after each call.
#[derive(Debug, Default)]
struct ToDo {
    /// Make a WebSocket, with the subprotocol `mqtt`.
    open: bool,
    /// Send these bytes, as a binary message.
    send: Vec<u8>,
    /// Close it.
    close: bool,
    /// Show these.
    messages: Vec<Message>,
    /// Call [`Tab::timeout`] after so many milliseconds.
    wait_millis: Option<u64>,
}

struct Tab {
    client: Client,
}

impl Tab {
    /// `seed` is from `crypto.getRandomValues`, `millis` from `performance.now()`, here and below.
    fn load(millis: u64, seed: &[u8; 32], filter: &str) -> (Self, ToDo) {
        let mut client = Client::new(Config::default(), seed);
        client.connect(at(millis));
        if let Ok(filter) = TopicFilter::new(filter) {
            // It fails only without a filter.
            let _ = client.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)], None);
        }
        let mut tab = Self { client };
        let to_do = tab.announced(millis);
        (tab, to_do)
    }

    fn onopen(&mut self, millis: u64) -> ToDo {
        self.client.handle_open(at(millis));
        self.announced(millis)
    }

    fn onmessage(&mut self, millis: u64, data: &[u8]) -> ToDo {
        // A page can't stop reading: what is held is kept.
        let _ = self.client.handle_bytes(at(millis), data);
        self.announced(millis)
    }

    fn onclose(&mut self, millis: u64) -> ToDo {
        self.client.handle_close(at(millis), Cause::Closed);
        self.announced(millis)
    }

    fn timeout(&mut self, millis: u64) -> ToDo {
        self.client.handle_timeout(at(millis));
        self.announced(millis)
    }

    fn announced(&mut self, millis: u64) -> ToDo {
        let (mut to_do, mut output) = (ToDo::default(), Output::default());
        loop {
            while let Some(action) = self.client.poll_action() {
                match action {
                    Action::Open(_) => to_do.open = true,
                    Action::Close | Action::Abort => to_do.close = true,
                    _ => {}
                }
            }
            while self.client.poll_transmit(at(millis), 65_536, &mut output) {}
            while let Some(event) = self.client.poll_event() {
                if matches!(event, Event::Ended(_)) {
                    to_do.close = true;
                }
            }
            match self.client.poll_message(at(millis)) {
                Some(message) => to_do.messages.push(message),
                None => break,
            }
        }
        let mut slices: [&[u8]; 64] = [&[]; 64];
        let n = output.slices(&mut slices);
        to_do.send = slices[..n].concat();
        // Rounded up, or it would be called too early.
        let due = self.client.poll_timeout().map(|due| due.at.as_micros().div_ceil(1000));
        to_do.wait_millis = due.map(|due| due.saturating_sub(millis));
        to_do
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis.saturating_mul(1000))
}

fn main() {
    let (mut tab, to_do) = Tab::load(0, &[7; 32], "news/#");
    assert!(to_do.open);
    assert_eq!(tab.onopen(20).send[0], 0x10, "CONNECT");
    let to_do = tab.onmessage(40, &[0x20, 3, 0, 0, 0]);
    assert_eq!(to_do.send[0], 0x82, "SUBSCRIBE");
    let to_do = tab.onmessage(60, b"\x90\x04\x00\x01\x00\x01\x30\x0b\x00\x06news/7\x00hi");
    assert_eq!(to_do.messages.len(), 1);
    let wait = tab.onclose(80).wait_millis.unwrap_or_default();
    assert!(tab.timeout(80 + wait).open, "it connects again");
}
