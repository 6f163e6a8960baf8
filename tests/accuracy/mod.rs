//! Scans by packets against the truth: every state of every port, in networks that exist only in a scenario, on virtual
//! time, with twenty seeds each.
//!
//! [`trial`] runs one scan and compares; [`links`] has links that lose, delay and queue; [`limits`] hosts that limit their
//! answers; [`kinds`] firewalls and kinds of scans; [`sweeps`] looking for hosts;
//! [`hostile`] hosts that answer wrongly. Times are virtual, so they are exact; `docs/SCANNING.md` has a table of them.

mod hostile;
mod kinds;
mod limits;
mod links;
mod sweeps;
mod trial;
