//! Sends the probes of all hosts and hears their answers: one task for the whole run.
//!
//! Each host has a [`Job`] for each purpose. In one turn the prober takes in what was captured, lets time pass, and sends
//! one batch: probes of different hosts in turn, so that a high rate over all is a low one for each. It sends what three
//! hands allow at the same time: the host's window, everybody's window, and the rates of the user; a sweep for hosts goes
//! by a rate of its own, since silence must not slow it down.

mod driver;
mod job;
mod pace;
mod ping;
mod plan;
mod rate;
mod slot;
mod state;
mod trail;
mod verdicts;
mod way;

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::task::{Context, Poll};

use async_executor::Task;

pub use self::job::Job;
pub use self::pace::Pace;
pub use self::plan::{Discovery, Finding, MOST_HOPS, Plan, PortPlan, RoutePlan};
use self::state::{JobId, State};
pub use self::trail::Step;
pub use self::verdicts::Verdict;
pub use self::way::Way;
use crate::capture::{Directions, Filter, Interest};
use crate::model::{LinkKind, NetError, NetErrorKind, Protocol};
use crate::net::broker::Governor;
use crate::net::packets::{Kernel, Ports, ReservedPort};
use crate::net::{Network, Origin};
use crate::runtime::{Semaphore, Spawner};
use crate::scan::probe::{Cookies, Forms, Hearing, Locals, Look};
use crate::scan::timing::Rtt;

/// Bytes kept of a captured packet: an error quotes no more than that.
const SNAPLEN: u32 = 256;
/// Packets that may wait for the prober.
const QUEUE: usize = 65_536;

/// The prober of a run. Clones share it.
#[derive(Clone)]
pub struct Prober(Rc<Shared>);

struct Shared {
    network: Network,
    spawner: Spawner,
    governor: Governor,
    pace: Pace,
    interface: Option<u32>,
    state: RefCell<State>,
    /// What is captured on each interface in use.
    filter: Rc<Filter>,
    /// Our local ports.
    _ports: Vec<Box<dyn ReservedPort>>,
    /// Held by who opens a capture.
    opening: Semaphore,
    driver: RefCell<Option<Task<()>>>,
}

/// What a prober is to do, apart from how hard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// How probes look.
    pub look: Look,
    /// `--source-port`.
    pub source_port: Option<u16>,
    /// Datagrams are sent.
    pub udp: bool,
    /// `-e`: the interface for whatever does not say its own.
    pub interface: Option<u32>,
    /// SCTP is spoken.
    pub sctp: bool,
    /// IP protocols are scanned, so any packet may be an answer.
    pub protocols: bool,
}

/// A job under way. Dropping it ends the job.
pub struct Asking {
    prober: Prober,
    id: JobId,
}

impl Prober {
    /// A prober, if packets are possible: takes its local ports and a key for its cookies.
    pub async fn open(
        network: Network,
        spawner: Spawner,
        governor: Governor,
        pace: Pace,
        manner: Manner,
    ) -> Result<Prober, NetError> {
        network.packets.permitted()?;
        let failed = |error: std::io::Error| NetError::from_io(&error, "probe", "this machine");
        let cookies = Cookies::new(&network.random.derive("probes")).map_err(failed)?;
        let (locals, ports) = match manner.source_port {
            Some(_) => (Locals::default(), Vec::new()),
            None => reserve(&network, &manner).await,
        };
        let text = filter_of(&manner, locals);
        let filter = Filter::parse(&text)
            .map_err(|error| NetError::new(NetErrorKind::Local, "capture", "answers").because(error))?;
        let hearing = Hearing::new(cookies, locals, manner.source_port);
        let state = State::new(&pace, Forms::new(manner.look), hearing, manner.protocols, network.clock.now());
        let shared = Shared {
            network,
            spawner,
            governor,
            interface: manner.interface,
            pace: Pace { fixed_port: manner.source_port.is_some(), ..pace },
            state: RefCell::new(state),
            filter: Rc::new(filter),
            _ports: ports,
            opening: Semaphore::new(1),
            driver: RefCell::new(None),
        };
        Ok(Prober(Rc::new(shared)))
    }

    /// How hard it probes.
    pub fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// The way to a host; from now on answers are heard on its interface.
    pub async fn way(&self, addr: IpAddr, scope: u32) -> Result<Way, NetError> {
        let packets = &self.0.network.packets;
        let through = if scope > 0 { Some(scope) } else { self.0.interface };
        let route = packets.route(addr, through).await?;
        let interface = route.interface.index;
        if route.source.is_unspecified() {
            let why = format!("{} has no address of that family to ask from", route.interface.name);
            return Err(NetError::new(NetErrorKind::Local, "probe", addr).because(why));
        }
        // One opens it; whoever comes meanwhile waits for that one.
        let opening = if self.hears_on(interface) { None } else { Some(self.0.opening.acquire().await) };
        if opening.is_some() && !self.hears_on(interface) {
            let interest = Interest {
                interface: Some(interface),
                filter: Some(Rc::clone(&self.0.filter)),
                directions: Directions::In,
                snaplen: SNAPLEN,
                queue: QUEUE,
                ..Interest::default()
            };
            let subscription = packets.capture(interest, &Origin::SCAN).await?;
            self.0.state.borrow_mut().hear_on(interface, subscription);
        }
        let is_link = route.gateway.is_none() && route.interface.kind == LinkKind::Ethernet;
        Ok(Way {
            addr,
            scope: through.unwrap_or(0),
            source: route.source,
            mac: route.interface.mac.filter(|_| is_link),
            interface,
            next_hop: route.gateway.unwrap_or(addr),
        })
    }

    fn hears_on(&self, interface: u32) -> bool {
        self.0.state.borrow().hears_on(interface)
    }

    /// Begins to ask a host. `rtt` is what is known of it from before.
    pub fn begin(&self, host: Way, plan: Plan, rtt: Option<Rtt>) -> Result<Asking, NetError> {
        let now = self.0.network.clock.now();
        let id = self.0.state.borrow_mut().add(host, plan, &self.0.pace, rtt, now)?;
        let mut driver = self.0.driver.borrow_mut();
        driver.get_or_insert_with(|| self.0.spawner.spawn(driver::drive(Rc::downgrade(&self.0))));
        Ok(Asking { prober: self.clone(), id })
    }

    /// Ends its work.
    pub async fn stop(&self) {
        let driver = self.0.driver.take();
        if let Some(driver) = driver {
            driver.cancel().await;
        }
    }

    /// Probes sent, answers taken in, and packets that looked like answers and were none.
    pub fn counts(&self) -> Counts {
        self.0.state.borrow().counts
    }
}

/// What a prober did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets sent.
    pub sent: u64,
    /// Answers to probes.
    pub answers: u64,
    /// Answers to what was answered before, or was not asked.
    pub repeated: u64,
    /// Packets to our ports that prove nothing: forged, too late, or somebody else's.
    pub strangers: u64,
}

impl Asking {
    /// Waits until every question is answered or given up.
    pub async fn done(&self) {
        poll_fn(|cx| {
            let mut state = self.prober.0.state.borrow_mut();
            let Some(job) = state.job(self.id) else { return Poll::Ready(()) };
            if job.is_over {
                return Poll::Ready(());
            }
            job.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The next port found open, in the order they were; none once every question is answered or given up.
    pub fn poll_open(&self, cx: &Context<'_>) -> Poll<Option<(usize, Verdict)>> {
        let mut state = self.prober.0.state.borrow_mut();
        let Some(job) = state.job(self.id) else { return Poll::Ready(None) };
        if let Some(found) = job.found.next_open() {
            return Poll::Ready(Some(found));
        }
        if job.is_over {
            return Poll::Ready(None);
        }
        job.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ends it and says what was found; none if the prober is gone.
    pub fn finish(self) -> Option<Job> {
        self.prober.0.state.borrow_mut().remove(self.id)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let job = self.prober.0.state.borrow_mut().remove(self.id);
        drop(job);
    }
}

/// What is captured of what comes in.
fn filter_of(manner: &Manner, locals: Locals) -> String {
    let last = |first: u16| first.saturating_add(Hearing::port_count() - 1);
    match manner.source_port {
        _ if manner.protocols => "ip or ip6 or arp".to_owned(),
        Some(port) => format!("icmp or icmp6 or arp or ((tcp or udp or sctp) and dst port {port})"),
        None => {
            let row = |name: &str, first| format!("({name} and dst portrange {first}-{})", last(first));
            let sctp = if manner.sctp { format!(" or {}", row("sctp", locals.sctp)) } else { String::new() };
            format!("icmp or icmp6 or arp or {} or {}{sctp}", row("tcp", locals.tcp), row("udp", locals.udp))
        }
    }
}

/// Local ports in a row, for both families where the machine has both. What the machine does not give is taken all the
/// same, from where it does not take ports for others by itself: answers are told by their numbers, not by who has the port.
async fn reserve(network: &Network, manner: &Manner) -> (Locals, Vec<Box<dyn ReservedPort>>) {
    /// Above the ports Linux gives out by itself (`ip_local_port_range`).
    const UNUSED: (u16, u16) = (61_000, 65_535);
    let random = network.random.derive("local ports");
    let (mut held, mut locals) = (Vec::new(), Locals::default());
    let wanted = [
        (Protocol::Tcp, true, &mut locals.tcp),
        (Protocol::Udp, manner.udp, &mut locals.udp),
        (Protocol::Sctp, manner.sctp, &mut locals.sctp),
    ];
    for (protocol, is_used, first) in wanted {
        let count = Hearing::port_count();
        *first = UNUSED.0 + random.below(u64::from(UNUSED.1 - UNUSED.0 - count)) as u16;
        if !is_used {
            continue;
        }
        let wish = Ports { protocol, count, kernel: Kernel::Resets };
        let any: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        for local in any {
            if let Ok(ports) = network.packets.reserve(wish, local, &Origin::SCAN).await {
                *first = ports.port();
                held.push(ports);
                break;
            }
        }
    }
    (locals, held)
}

#[cfg(test)]
mod tests;
