//! A set of port numbers.

/// One bit a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::target) struct PortBits(Box<[u64]>);

impl Default for PortBits {
    fn default() -> PortBits {
        PortBits(vec![0; 1024].into_boxed_slice())
    }
}

impl PortBits {
    /// Adds `port`; whether it was new.
    pub(in crate::target) fn insert(&mut self, port: u16) -> bool {
        let new = !self.contains(port);
        self.0[usize::from(port >> 6)] |= 1 << (port & 63);
        new
    }

    pub(in crate::target) fn contains(&self, port: u16) -> bool {
        self.0[usize::from(port >> 6)] & 1 << (port & 63) != 0
    }

    /// The members, ascending.
    pub(in crate::target) fn iter(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).filter(|port| self.contains(*port))
    }
}
