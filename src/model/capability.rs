//! What a script may use. Declared in its header, enforced by the broker.

use std::fmt;

/// One thing a script can be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// TCP streams to its own host.
    Tcp,
    /// UDP datagrams to its own host.
    Udp,
    /// TLS handshakes to its own host.
    Tls,
    /// Raw packets.
    Raw,
    /// Packet capture.
    Capture,
    /// Name lookups.
    Dns,
    /// Broadcast and multicast.
    Broadcast,
    /// Accepting connections.
    Listen,
    /// Peers other than the host it was started for.
    OtherHosts,
    /// Adding targets to the running scan.
    AddTargets,
    /// Reading its own package's data files.
    Files,
}

impl Capability {
    /// Every capability, in the order of the documentation.
    pub const ALL: [Capability; 11] = [
        Capability::Tcp,
        Capability::Udp,
        Capability::Tls,
        Capability::Raw,
        Capability::Capture,
        Capability::Dns,
        Capability::Broadcast,
        Capability::Listen,
        Capability::OtherHosts,
        Capability::AddTargets,
        Capability::Files,
    ];

    /// The name used in script headers.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Tcp => "tcp",
            Capability::Udp => "udp",
            Capability::Tls => "tls",
            Capability::Raw => "raw",
            Capability::Capture => "capture",
            Capability::Dns => "dns",
            Capability::Broadcast => "broadcast",
            Capability::Listen => "listen",
            Capability::OtherHosts => "other-hosts",
            Capability::AddTargets => "add-targets",
            Capability::Files => "files",
        }
    }

    /// The capability of that name.
    pub fn parse(name: &str) -> Option<Capability> {
        Capability::ALL.into_iter().find(|c| c.name() == name)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u16);

impl Capabilities {
    /// This set with `capability` added.
    #[must_use]
    pub fn with(self, capability: Capability) -> Capabilities {
        Capabilities(self.0 | 1 << capability as u16)
    }

    /// Whether the set holds `capability`.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }

    /// The members, in documentation order.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |c| self.has(*c))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(iter: I) -> Capabilities {
        iter.into_iter().fold(Capabilities::default(), Capabilities::with)
    }
}
