//! Captures of scripts: only with the capability, only packets of their host, counted like any other socket.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::warrant::SocketCount;
use super::{Broker, TraceLine, TraceSink, Warrant};
use crate::capture::{Captured, Counters, Filter, FilterError, Interest, Subscription};
use crate::model::{Capability, NetError, NetErrorKind};
use crate::net::NetFuture;

const OP: &str = "capture";

/// Texts of filters remembered with their meaning: the same script asks for the same on every host.
const MOST_TEXTS: usize = 256;

/// Filters by their text.
pub(super) type FilterTexts = Rc<RefCell<HashMap<String, Rc<Filter>>>>;

/// A script's capture. Dropping it closes it.
pub struct Capture {
    subscription: Subscription,
    count: SocketCount,
    trace: Option<TraceSink>,
}

impl Broker {
    /// Reads a filter.
    pub fn filter(&self, text: &str) -> Result<Rc<Filter>, FilterError> {
        let mut known = self.filters.borrow_mut();
        if let Some(filter) = known.get(text) {
            return Ok(Rc::clone(filter));
        }
        let filter = Rc::new(Filter::parse(text)?);
        if known.len() >= MOST_TEXTS {
            known.clear();
        }
        known.insert(text.to_owned(), Rc::clone(&filter));
        Ok(filter)
    }

    /// What answers a packet of the bearer: the replies of one conversation take `raw` only, anything else `capture`.
    pub fn replies(&self, warrant: &Rc<Warrant>, interest: Interest) -> NetFuture<Capture> {
        if interest.key.is_none() {
            self.capture(warrant, interest)
        } else {
            self.open(warrant, Capability::Raw, interest)
        }
    }

    /// Captures for the bearer, who must have declared `capture`. Without `other-hosts` or `broadcast` it sees packets of
    /// conversations with the hosts of its fence only. Counts as a socket.
    pub fn capture(&self, warrant: &Rc<Warrant>, interest: Interest) -> NetFuture<Capture> {
        self.open(warrant, Capability::Capture, interest)
    }

    fn open(&self, warrant: &Rc<Warrant>, by: Capability, mut interest: Interest) -> NetFuture<Capture> {
        let (broker, warrant) = (self.clone(), Rc::clone(warrant));
        Box::pin(async move {
            warrant.demand(by, OP, "packets")?;
            warrant.fence_in(&mut interest)?;
            let count = warrant.open_socket(OP, "packets", None, &broker.open)?;
            let subscription = broker.network.packets.capture(interest, &warrant.origin).await?;
            Ok(Capture { subscription, count, trace: broker.trace.clone() })
        })
    }
}

impl Warrant {
    /// Narrows what is wanted to what may be seen.
    fn fence_in(&self, interest: &mut Interest) -> Result<(), NetError> {
        let beyond = [Capability::OtherHosts, Capability::Broadcast];
        if beyond.iter().any(|one| self.capabilities.has(*one)) {
            return Ok(());
        }
        if self.fence.is_empty() {
            return self.demand_any(&beyond, OP, "packets of all hosts");
        }
        let asked = interest.key.iter().map(|key| key.remote).chain(interest.hosts.iter().copied());
        for host in asked {
            self.check_fence(host, OP)?;
        }
        if interest.hosts.is_empty() {
            interest.hosts.clone_from(&self.fence);
        }
        Ok(())
    }
}

impl Capture {
    /// The next packet, waiting for one. Errors: the interface is gone, the capture was closed, the budget of bytes is used
    /// up.
    pub async fn next(&self) -> Result<Captured, NetError> {
        self.check_bytes()?;
        let packet = self.subscription.next().await?;
        self.note(&packet);
        Ok(packet)
    }

    /// Up to `most` packets that are there, waiting for the first. Errors as [`Capture::next`].
    pub async fn batch(&self, most: usize) -> Result<Vec<Captured>, NetError> {
        self.check_bytes()?;
        let packets = self.subscription.batch(most).await?;
        for packet in &packets {
            self.note(packet);
        }
        Ok(packets)
    }

    /// What became of its packets.
    pub fn counters(&self) -> Counters {
        self.subscription.counters()
    }

    /// Ends it, also for those who wait for its packets.
    pub fn close(&self) {
        let closed = NetError::new(NetErrorKind::Closed, OP, "packets").because("the script closed this capture");
        self.subscription.close(&closed);
    }

    fn check_bytes(&self) -> Result<(), NetError> {
        self.count.warrant.check_bytes(OP, "packets")
    }

    fn note(&self, packet: &Captured) {
        let warrant = &self.count.warrant;
        warrant.usage.add_received(packet.bytes.len());
        if let Some(trace) = &self.trace {
            let peer = &packet.interface.name;
            trace(&TraceLine {
                script: &warrant.script,
                origin: &warrant.origin,
                op: "captured",
                peer,
                data: &packet.bytes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::model::{Capabilities, Limits};
    use crate::net::warm::WarmStreams;
    use crate::packet::FlowKey;

    fn warrant(capabilities: &[Capability], fence: &[&str]) -> Warrant {
        Warrant {
            script: "test".into(),
            origin: crate::net::Origin::new("test"),
            capabilities: capabilities.iter().copied().collect::<Capabilities>(),
            fence: fence.iter().map(|addr| addr.parse().expect("an address")).collect(),
            limits: Limits::default(),
            usage: Rc::default(),
            threads: crate::runtime::Threads::default(),
            warm: WarmStreams::default(),
        }
    }

    fn host(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn fenced(warrant: &Warrant, mut interest: Interest) -> Result<Vec<IpAddr>, String> {
        warrant.fence_in(&mut interest).map(|()| interest.hosts).map_err(|error| error.to_string())
    }

    #[test]
    fn a_script_sees_its_own_host_only() {
        let own = warrant(&[Capability::Capture], &["10.0.0.1"]);
        assert_eq!(fenced(&own, Interest::default()), Ok(vec![host(1)]));
        assert_eq!(fenced(&own, Interest { hosts: vec![host(1)], ..Interest::default() }), Ok(vec![host(1)]));
        let refused = |interest| {
            let error = fenced(&own, interest).expect_err("it is not its host");
            assert!(error.starts_with("capture 10.0.0.2: denied (test did not declare it; add"), "{error}");
        };
        refused(Interest { hosts: vec![host(1), host(2)], ..Interest::default() });
        let key = |remote| FlowKey { protocol: 6, remote, remote_port: 1, local_port: 2 };
        refused(Interest::of_flow(key(host(2))));
        assert_eq!(fenced(&own, Interest::of_flow(key(host(1)))), Ok(vec![host(1)]));
    }

    #[test]
    fn who_declared_more_sees_more_and_a_prerule_must() {
        for more in [Capability::OtherHosts, Capability::Broadcast] {
            let wide = warrant(&[Capability::Capture, more], &["10.0.0.1"]);
            assert_eq!(fenced(&wide, Interest::default()), Ok(Vec::new()));
            assert_eq!(fenced(&warrant(&[Capability::Capture, more], &[]), Interest::default()), Ok(Vec::new()));
        }
        let error = fenced(&warrant(&[Capability::Capture], &[]), Interest::default()).expect_err("it has no host");
        assert!(error.contains("\"capture\", \"other-hosts\""), "{error}");
    }
}
