//! The programs that people copy, without async.
tidewire_driver::programs!(mio, tidewire_mio::serve, |name| format!("{name}_blocking"));
