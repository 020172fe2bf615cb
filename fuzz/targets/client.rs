#![no_main]
#![forbid(unsafe_code)]

use tidewire_fuzz::{Setup, Step};

libfuzzer_sys::fuzz_target!(|input: (Setup, Vec<Step>)| tidewire_fuzz::client(input.0, input.1));
