//! Networks made for the test: namespaces of their own, joined by virtual wires, set up as root and gone when dropped, also
//! when the test fails. What a process left behind that was killed, the next one removes.
//!
//! No packet leaves the namespaces, and no interface of the machine is touched. Names are unique to the process, so tests run
//! side by side. Where namespaces cannot be made, the test says so by name, and with `CI` set it fails.
//!
//! [`topology`] has the shapes, [`space`] one namespace, [`relay`] the wire that loses and delays, [`serve`] servers inside,
//! [`itself`] proves that all of it is as described. [`scripts`] are tests of what needs a network, [`replays`] of what was recorded in one,
//! [`payloads`] of what the UDP scan says to servers.
//! [`accuracy`] of scans by packets, [`ways`] of hosts that cannot be reached, [`interface`] of `-e`, [`routes`] of traceroutes; [`cases`] makes the recorded cases of scripts that need a network.

mod accuracy;
mod cases;
mod interface;
mod itself;
mod packet_socket;
mod payloads;
mod relay;
mod replays;
mod routes;
mod scripts;
mod serve;
mod space;
mod topology;
mod ways;
