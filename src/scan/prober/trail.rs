//! What is heard on the way to a host.

use std::net::IpAddr;
use std::time::Duration;

/// One answer to a question about the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The hop limit the question had.
    pub ttl: u8,
    /// Who answered.
    pub from: IpAddr,
    /// Its round trip, if it was asked once.
    pub time: Option<Duration>,
    /// The way ends here: at the host, or at a router that goes no further.
    pub is_last: bool,
}
