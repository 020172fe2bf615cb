#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|input: Vec<tidewire_fuzz::Event>| tidewire_fuzz::broker(input));
