//! The program in the documentation of `Clients`, as it stands.
tidewire_driver::documented_program!(async_std, "sensors_async_std");
