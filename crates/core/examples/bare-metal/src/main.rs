//! A client on a Cortex-M4: it publishes what a sensor says, with QoS 1, and hears about its settings.
//!
//! Its line is a serial port to a modem that makes the connection. `cargo xtask size` says what it takes.
#![no_std]
#![no_main]

use core::ptr;
use cortex_m as _;
use embedded_alloc::LlffHeap;
use panic_halt as _;
use tidewire_core::client::{Action, Client, Config, Subscription};
use tidewire_core::message::Publication;
use tidewire_core::output::Output;
use tidewire_core::qos::QoS;
use tidewire_core::time::Instant;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_core::version::Version;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();
const HEAP_BYTES: usize = 8 * 1024;

/// The machine, as far as this needs it.
struct Machine;

impl Machine {
    const RECEIVED: *const u32 = 0x4000_4404 as *const u32;
    const STATUS: *const u32 = 0x4000_4400 as *const u32;
    const SEND: *mut u32 = 0x4000_4404 as *mut u32;
    const MILLIS: *const u32 = 0x4000_0024 as *const u32;
    const SENSOR: *const u32 = 0x4001_204c as *const u32;

    fn register(at: *const u32) -> u32 {
        // SAFETY: these are the addresses of registers of this machine, which may always be read.
        unsafe { ptr::read_volatile(at) }
    }

    fn now() -> Instant {
        Instant::from_micros(u64::from(Self::register(Self::MILLIS)) * 1000)
    }

    fn receive() -> Option<u8> {
        let ready = Self::register(Self::STATUS) & 0x20 != 0;
        ready.then(|| Self::register(Self::RECEIVED).to_le_bytes()[0])
    }

    fn send(byte: u8) {
        while Self::register(Self::STATUS) & 0x80 == 0 {}
        // SAFETY: the register takes a byte when the status says so.
        unsafe { ptr::write_volatile(Self::SEND, u32::from(byte)) }
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    // SAFETY: once, before anything is allocated, and with memory that nobody else uses.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_BYTES);
    }
    let mut config = Config::default();
    config.client_id = "sensor-7".into();
    config.version = Some(Version::V3_1_1);
    config.session_expiry_seconds = 3600;
    (config.inbox_messages, config.inbox_bytes) = (4, 1024);
    (config.outbox_messages, config.outbox_bytes) = (8, 1024);
    config.maximum_packet_size = 1024;
    let mut client = Client::new(config, &[7; 32]);
    client.connect(Machine::now());
    if let Ok(filter) = TopicFilter::new("settings/7") {
        let _ = client.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)], None);
    }
    let mut output = Output::default();
    let mut next = Machine::now();
    loop {
        let now = Machine::now();
        if now >= next {
            next = now.after_secs(10);
            if client.is_ended() {
                // It was refused; that may be mended by now.
                client.connect(now);
            }
            let reading = Machine::register(Machine::SENSOR).to_le_bytes().to_vec();
            if let Ok(topic) = TopicName::new("sensors/7") {
                let _ = client.publish(now, Publication::new(topic, reading).qos(QoS::AtLeastOnce));
            }
        }
        while let Some(byte) = Machine::receive() {
            let _ = client.handle_bytes(now, &[byte]);
        }
        if client.poll_timeout().is_some_and(|due| due.at <= now) {
            client.handle_timeout(now);
        }
        while let Some(action) = client.poll_action() {
            match action {
                // The modem is always connected.
                Action::Open(_) => client.handle_open(now),
                Action::Close | Action::Abort => {
                    client.handle_close(now, tidewire_core::client::Cause::Closed);
                }
                _ => {}
            }
        }
        while client.poll_transmit(now, 256, &mut output) || !output.is_empty() {
            let mut slices: [&[u8]; 1] = [&[]];
            output.slices(&mut slices);
            let n = slices[0].len();
            slices[0].iter().for_each(|byte| Machine::send(*byte));
            output.advance(n);
        }
        while client.poll_event().is_some() {}
        while client.poll_message(now).is_some() {}
    }
}
