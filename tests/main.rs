//! Integration tests: the table of contents. Each part runs the built program as a user does, against peers and servers
//! on loopback that the test itself starts and stops.

/// What the tests stand on: the program as a child process, real servers, hostile peers, folders.
mod support;

/// The command line and the exit codes.
mod cli;

/// Scripts as their authors meet the engine.
mod engine;

/// The filter language against libpcap, and programs against the kernel.
mod filters;

/// Peers that misbehave.
mod hostile;

/// Networks made for the test, by root, out of namespaces: hosts on a switch, a path of routers, port forwards, a bad wire.
mod lab;

/// Runs that end early.
mod interrupt;

/// With and without the right to send packets.
mod privileges;

/// The run itself: progress, keys, journals, shards, accounting.
mod operation;
mod options;

/// Scans by packets against the truth, in networks of a scenario.
mod accuracy;

/// The connect scan, exact to the port.
mod scan;

/// Packets built, parsed, cut and changed; tshark as the judge.
mod packets;

/// The shipped scripts.
mod scripts;

/// Whole scans of networks that exist only in a scenario, on virtual time.
mod simulated;

/// When scripts start.
mod starts;

/// Routes to hosts, in scenarios.
mod routes;

/// The same from the command line.
mod simulation;

/// SSH: servers of all ages looked at, commands run, a hundred sessions side by side.
mod ssh;

/// The library in Rhai.
mod stdlib;

/// Threads, coroutines, locks and endings.
mod threads;

/// The servers that examples in the documentation talk to.
mod loopback;

/// Runs recorded and replayed.
mod replay;

/// The recorded cases of the shipped scripts, and the runner other authors use.
mod cases;

/// Recorded runs, spoilt.
mod faults;

/// Parsers and inputs that are almost right.
mod fuzz;

/// Every example of the reference, in a real script instance.
mod examples;

/// The guide to scripts and the reference are true.
mod guide;

/// The architecture as data: which room may name which, who owns the clock, the door, the exit; lengths; house rules.
mod tidy;
