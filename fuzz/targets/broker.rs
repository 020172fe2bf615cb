#![no_main]
#![forbid(unsafe_code)]

use tidewire_fuzz::Event;

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<Event>)| tidewire_fuzz::broker(input.0, input.1));
