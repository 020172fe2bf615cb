//! The programs that people copy, on async-std.
tidewire_driver::programs!(async_std, tidewire_async_std::serve, |name| format!("{name}_async_std"));
