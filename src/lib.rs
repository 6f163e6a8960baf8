//! sonde: a network scanner whose stages and scripts all run on one event loop.
//!
//! # Rooms, bottom to top
//!
//! A room names only rooms above it in this table; `tests/tidy/rooms.rs` holds the edges and fails on any other.
//!
//! | room | what it is for | what it refuses to know |
//! |---|---|---|
//! | [`model`] | plain values: target, host, port, outcome, event, limits | I/O, the clock, the script engine |
//! | [`error`] | why a run could not do what was asked, by who is at fault; exit codes | everything but the words for it |
//! | [`target`] | target and port expressions, expanded lazily; service names | name lookup, files, randomness, sockets |
//! | [`runtime`] | the one thread: executor, clock and timers, randomness, memory accounts | networks, scripts |
//! | [`packet`] | bytes to headers and back, flows, one-line summaries | I/O, time, whose packet it is |
//! | [`capture`] | filter language, BPF, dispatcher, subscriptions | descriptors, threads, scripts |
//! | [`net`] | the door: streams, datagrams, names, TLS; the broker in front of scripts | scripts, stages |
//! | [`script`] | header, catalogue, selection, coroutine, scheduler, budgets | sockets, packets, what natives there are |
//! | [`scan`] | each host on its own way: presence, ports, scripts as ports are found, name, report; the prober | natives, formats; scripts are a trait to it |
//! | [`bindings`] | what scripts can call, and the way from a rule to an instance | the command line, formats, the reactor |
//! | [`report`] | events to text, XML, JSON Lines, grepable | sockets, scripts, files, the terminal |
//! | [`cli`] | the command line to typed settings | what those settings do |
//! | [`app`] | wires all of it | how anything is done |
//!
//! # The way of a script
//!
//! A file becomes a [`script::Script`] of the [`script::Catalogue`]: compiled once, its [`script::Header`] read without
//! running it. [`script::selection`] chooses among them, and [`script::rules::RuleIndex`] finds, without running anything,
//! those whose data rule fits a port. [`bindings::launch::Launcher`] makes a [`script::Job`] of each, with a
//! [`net::broker::Warrant`] that says what the instance may touch, and submits it to the [`script::Scheduler`]. There it
//! becomes an instance, a coroutine of its own ([`script::coroutine::Fiber`]), and moves through the lists: planned,
//! pending, running, waiting, done. A native that must wait calls [`script::wait`] with a future: the coroutine suspends,
//! the scheduler polls the future on the main stack, and its waker puts the instance back. In the end there is exactly one
//! [`model::ScriptResult`], whatever happened.
//!
//! # The way of a flag
//!
//! `-T4` is rewritten to `--timing 4`, read by argh into text, and given its meaning once ([`cli::parse`] does all three):
//! out comes [`cli::Settings`], a small struct for each room. [`app::run`] opens what it names and hands each room its
//! part. Nothing else ever sees the command line.
//!
//! # The way of a byte
//!
//! Everything outside comes through one bundle, [`net::Network`]: a clock, randomness, a [`net::Transport`], and
//! [`net::Names`]. The scan uses it as it is; scripts get it through [`net::broker::Broker`], which checks what they
//! declared, fences them to their host, counts and traces.
//!
//! # The way of a packet
//!
//! Out: [`net::packets::Packets::send`] finds route and neighbour of each and puts it into one queue, which is emptied once a
//! turn of the loop ([`net::live::LivePackets`]). In: one thread takes packets from the kernel's rings ([`net::live::capture`])
//! and hands them over in batches; the [`capture::Dispatcher`] finds who wants each and puts it into the queue of every such
//! [`capture::Subscription`].
//!
//! # The way of a probe
//!
//! A host asks [`scan::prober::Prober`] for a job: questions for one purpose. In turn with all others the prober writes them
//! ([`scan::probe::Forms`]), sends them, tells answers from anything else ([`scan::probe::Hearing`]), and hands each to its
//! [`scan::prober::Job`], which decides what a port is, what is asked again, and when nothing is left to ask.
//!
//! # The way of a result
//!
//! A host that is done, with its ports and its scripts' results, is one [`model::Event`]; [`report::Reports`] hands it to
//! every [`report::Format`], which writes it at once.

pub mod app;
pub mod bindings;
pub mod capture;
pub mod cli;
pub mod error;
pub mod model;
pub mod net;
pub mod packet;
pub mod report;
pub mod runtime;
pub mod scan;
pub mod script;
pub mod target;
