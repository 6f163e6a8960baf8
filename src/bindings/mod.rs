//! What scripts can call: one file or folder per Rhai module, typed, documented, each with a tested example.
//!
//! Natives translate between Rhai values and the rooms below; they hold no protocol state machine of the engine, no
//! scheduling, and never open a socket, read a clock or print except through what the script instance hands them.

pub mod coroutine;
pub mod data;
pub mod fault;
pub mod host;
pub mod host_scripts;
pub mod http;
pub mod launch;
pub mod located;
pub mod locks;
pub mod net;
pub mod options;
pub mod output;
pub mod packet;
pub mod pcap;
pub mod pure;
pub mod raw;
pub mod reach;
pub mod reference;
pub mod round;
pub mod script;
pub mod ssh;
pub mod targets;
pub mod tls;
pub mod worker;

/// Arguments that native libraries read from `--script-args`, with their types and defaults.
pub fn library_arguments() -> Vec<crate::script::arguments::LibraryArgument> {
    http::arguments()
}

/// Registers every native and type scripts can use.
pub fn register(engine: &mut rhai::Engine) {
    pure::register(engine);
    packet::register(engine);
    host::register(engine);
    net::register(engine);
    pcap::register(engine);
    raw::register(engine);
    tls::register(engine);
    ssh::register(engine);
    http::register(engine);
    script::register(engine);
    targets::register(engine);
    worker::register(engine);
    coroutine::register(engine);
    locks::register(engine);
}
