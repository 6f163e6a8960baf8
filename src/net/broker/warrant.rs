//! What an instance may do, and what it has used of its budgets.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::model::{Capabilities, Capability, Limits, NetError, NetErrorKind, Spent, Usage};
use crate::net::Origin;
use crate::net::slots::Slot;
use crate::net::warm::WarmStreams;
use crate::runtime::Threads;

/// What a script instance may do, and what it has used.
pub struct Warrant {
    /// Script id, for messages and traces.
    pub script: Rc<str>,
    /// What the door knows it by: script and whom it is for.
    pub origin: Origin,
    /// Declared in its header.
    pub capabilities: Capabilities,
    /// Addresses it was started for; empty for pre- and postrules.
    pub fence: Vec<IpAddr>,
    /// Its budgets.
    pub limits: Limits,
    /// Its counters.
    pub usage: Rc<Usage>,
    /// Its threads.
    pub threads: Threads,
    /// Connections of its host that are open already.
    pub warm: WarmStreams,
}

impl Warrant {
    /// Denied, with the line to add, unless the script declared `capability`.
    pub fn demand(
        &self,
        capability: Capability,
        op: &'static str,
        peer: impl std::fmt::Display, // shown only when refused: most are not
    ) -> Result<(), NetError> {
        if self.capabilities.has(capability) {
            return Ok(());
        }
        let mut all: Vec<_> = self.capabilities.iter().map(|c| format!("\"{c}\"")).collect();
        all.push(format!("\"{capability}\""));
        Err(NetError::new(NetErrorKind::Denied, op, peer).because(format!(
            "{} did not declare it; add `const capabilities = [{}];` to its header",
            self.script,
            all.join(", ")
        )))
    }

    /// Demands one of several; the first is the one to add.
    pub(super) fn demand_any(
        &self,
        any: &[Capability],
        op: &'static str,
        peer: impl std::fmt::Display,
    ) -> Result<(), NetError> {
        match any.first() {
            Some(first) if !any.iter().any(|one| self.capabilities.has(*one)) => self.demand(*first, op, peer),
            _ => Ok(()),
        }
    }

    pub(super) fn check_fence(&self, peer: IpAddr, op: &'static str) -> Result<(), NetError> {
        if self.fence.contains(&peer) { Ok(()) } else { self.demand(Capability::OtherHosts, op, peer) }
    }

    /// Checks capability and fence for talking to `peer`.
    pub(super) fn admit(&self, capability: Capability, op: &'static str, peer: SocketAddr) -> Result<(), NetError> {
        self.demand(capability, op, peer)?;
        self.check_fence(peer.ip(), op)
    }

    pub(super) fn check_sockets(&self, op: &'static str, peer: impl std::fmt::Display) -> Result<(), NetError> {
        let limit = self.limits.sockets;
        if self.usage.sockets.get() < limit {
            return Ok(());
        }
        Err(NetError::new(NetErrorKind::Budget(Spent::Sockets), op, peer)
            .because(format!("{limit} sockets are open; close some or raise --script-max-sockets")))
    }

    pub(super) fn open_socket(
        self: &Rc<Self>,
        op: &'static str,
        peer: impl std::fmt::Display,
        slot: Option<Slot>,
        of_run: &Rc<Cell<usize>>,
    ) -> Result<SocketCount, NetError> {
        self.check_sockets(op, peer)?;
        self.usage.sockets.set(self.usage.sockets.get() + 1);
        of_run.set(of_run.get() + 1);
        Ok(SocketCount { warrant: Rc::clone(self), of_run: Rc::clone(of_run), _slot: slot })
    }

    pub(super) fn check_bytes(&self, op: &'static str, peer: impl std::fmt::Display) -> Result<(), NetError> {
        if self.usage.bytes() <= self.limits.bytes {
            return Ok(());
        }
        let limit = self.limits.bytes;
        Err(NetError::new(NetErrorKind::Budget(Spent::Bytes), op, peer)
            .because(format!("more than {limit} bytes moved; raise --script-max-bytes")))
    }
}

/// One open socket in the counts of its warrant and of the run.
pub(super) struct SocketCount {
    pub(super) warrant: Rc<Warrant>,
    pub(super) of_run: Rc<Cell<usize>>,
    _slot: Option<Slot>,
}

impl Drop for SocketCount {
    fn drop(&mut self) {
        let open = &self.warrant.usage.sockets;
        open.set(open.get().saturating_sub(1));
        self.of_run.set(self.of_run.get().saturating_sub(1));
    }
}
