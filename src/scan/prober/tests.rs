//! The prober over a model network whose sending side refuses what a test says, and jobs that hear what comes too late.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::way::{Heeded, Introduced};
use super::*;
use crate::capture::{Interest, Observer, Subscription};
use crate::model::{Interface, PacketTotals, PortState, Reason, Route, ScanKind, Timestamp};
use crate::net::NetFuture;
use crate::net::packets::{Outgoing, Packets, Sent};
use crate::net::sim::{self, Scenario};
use crate::runtime::{Random, Runtime};
use crate::scan::kind::Reply;
use crate::scan::probe::{Form, Heard, Mark, Purpose, Question};

/// What becomes of the packet with that number; the model decides where it is none.
type Refuse = Box<dyn Fn(usize) -> Option<NetError>>;

/// The packets of a model, not all of which leave.
struct Refusing {
    inner: Rc<dyn Packets>,
    refuse: Refuse,
    count: Cell<usize>,
}

impl Packets for Refusing {
    fn permitted(&self) -> Result<(), NetError> {
        self.inner.permitted()
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        self.inner.interfaces()
    }

    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        self.inner.route(to, interface)
    }

    fn send(&self, packets: Vec<Outgoing>, origin: &Origin) -> NetFuture<Vec<Sent>> {
        let mut refused = Vec::new();
        let mut leaving = Vec::new();
        for packet in packets {
            let error = (self.refuse)(self.count.replace(self.count.get() + 1));
            if error.is_none() {
                leaving.push(packet);
            }
            refused.push(error);
        }
        let sending = self.inner.send(leaving, origin);
        Box::pin(async move {
            let mut sent = sending.await?.into_iter();
            let of = |error: Option<NetError>| error.map_or_else(|| sent.next().expect("one each"), Err);
            Ok(refused.into_iter().map(of).collect())
        })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        self.inner.reserve(ports, local, origin)
    }

    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription> {
        self.inner.capture(interest, origin)
    }

    fn observe(&self, observer: Observer) {
        self.inner.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.inner.captured()
    }
}

/// Works with a prober over `scenario`, whose packets are refused as `refuse` says; none if it has not ended in an hour.
fn probing<T>(scenario: &str, refuse: Refuse, work: impl AsyncFnOnce(Prober) -> T) -> Option<T> {
    let (runtime, random) = (Runtime::simulated(Timestamp(0)), Random::new(Some(1)));
    let (network, _) = sim::network(Scenario::parse(scenario).unwrap(), &runtime, &random);
    let inner = Rc::clone(&network.packets);
    let network = Network { packets: Rc::new(Refusing { inner, refuse, count: Cell::new(0) }), ..network };
    let governor = Governor::new(runtime.clock(), None);
    let opening = Prober::open(network, runtime.spawner(), governor, Pace::default(), Manner::default());
    let clock = runtime.clock();
    let limited = async {
        let working = async { work(opening.await.unwrap()).await };
        clock.before(Timestamp(0).plus(Duration::from_hours(1)), working).await.ok()
    };
    runtime.run_until_stalled(limited).flatten()
}

fn ask(form: Form) -> Plan {
    let questions = vec![Question { form, number: 0 }];
    Plan::Discovery(Rc::new(Discovery { questions, ignore_reset: false }))
}

fn syn(ports: Vec<u16>) -> Rc<PortPlan> {
    Rc::new(PortPlan::new(ScanKind::Syn, None, ports, 0))
}

#[test]
fn who_has_nothing_to_ask_keeps_nobody_from_a_next_hop() {
    let scenario = "[[hosts]]\naddrs = [\"fd00::/64\"]";
    let found = probing(scenario, Box::new(|_| None), async |prober| {
        let ways = [prober.way("fd00::1".parse().unwrap(), 0).await, prober.way("fd00::2".parse().unwrap(), 0).await];
        let [first, second] = ways.map(Result::unwrap);
        assert_eq!(first.next_hop, second.next_hop, "a gateway");
        // IPv6 has no timestamps, so the first to have its turn can tell nobody whether the gateway is there.
        let unaskable = prober.begin(first, ask(Form::Timestamp), None).unwrap();
        let askable = prober.begin(second, ask(Form::Echo), None).unwrap();
        unaskable.done().await;
        askable.done().await;
        let (unaskable, askable) = (unaskable.finish().unwrap(), askable.finish().unwrap());
        let why = unaskable.failed.map(|error| error.to_string());
        (unaskable.introduced, why, askable.up.map(|(reason, _)| reason))
    });
    let why = "probe fd00::1: local (there is no such probe in its address family)".to_owned();
    assert_eq!(found, Some((Introduced::No, Some(why), Some(Reason::EchoReply))));
}

#[test]
fn what_this_machine_refuses_to_send_is_not_silence() {
    let scenario = "[[hosts]]\naddrs = [\"10.0.0.1\"]\ntcp = [{ ports = \"1-500\", state = \"closed\" }]";
    for (errno, first) in [(libc::ENOBUFS, 100), (libc::ENOTCONN, 100), (libc::ENETDOWN, 100), (libc::ENETDOWN, 0)] {
        let error = NetError::from_io(&io::Error::from_raw_os_error(errno), "send", "10.0.0.1");
        let expected = error.clone();
        let refuse = Box::new(move |packet| (packet >= first).then(|| error.clone()));
        let job = probing(scenario, refuse, async |prober| {
            let way = prober.way([10, 0, 0, 1].into(), 0).await.unwrap();
            let asking = prober.begin(way, Plan::Ports(syn((1..=500).collect())), None).unwrap();
            asking.done().await;
            asking.finish().unwrap()
        });
        let job = job.expect("it ends");
        assert!(job.is_over() && job.failed.as_ref() == Some(&expected), "{errno}: {:?}", job.failed);
        let is_closed = |verdict: Option<Verdict>| verdict.is_some_and(|verdict| verdict.state == PortState::Closed);
        let all = || (0..500).map(|place| job.verdict(place));
        let closed = all().filter(|(asked, verdict)| *asked && is_closed(*verdict)).count();
        let unasked = all().filter(|(asked, verdict)| !asked && verdict.is_none()).count();
        assert_eq!((closed, unasked), (first, 500 - first), "{errno}: nothing is lost, nothing is made up");
    }
}

/// A job that asks for the ports 1 to 3 of 10.0.0.1, begun at 0.
fn job() -> Job {
    let host = Way {
        addr: [10, 0, 0, 1].into(),
        scope: 0,
        source: [10, 0, 0, 9].into(),
        mac: None,
        interface: 2,
        next_hop: [10, 0, 0, 1].into(),
    };
    let plan = Plan::Ports(syn(vec![1, 2, 3]));
    let rtt = Pace::default().unknown(&plan);
    Job::new(host, plan, &Pace::default(), rtt, (0, Timestamp(0)))
}

/// An answer to try `number` at `port`.
fn heard(port: u16, number: u8, flags: u8) -> Heard {
    Heard {
        host: [10, 0, 0, 1].into(),
        purpose: Purpose::Ports,
        mark: Mark::Tcp(port, None),
        number: Some(number),
        reply: Reply::Tcp { flags, window: 0 },
        from: [10, 0, 0, 1].into(),
        ttl: 64,
    }
}

fn states(job: &Job) -> Vec<Option<PortState>> {
    (0..3).map(|place| job.verdict(place).1.map(|verdict| verdict.state)).collect()
}

#[test]
fn an_answer_after_the_port_was_given_up_repairs_its_state_and_no_other() {
    use crate::packet::Tcp;
    const RESET: u8 = Tcp::RST | Tcp::ACK;
    const TAKES: u8 = Tcp::SYN | Tcp::ACK;
    let ms = |count: u64| Timestamp(count * 1_000_000);
    let mut job = job();
    job.sent(0, ms(0));
    job.sent(1, ms(0));
    assert!(job.hear(&heard(2, 0, RESET), ms(1), &Pace::default()).is_answer);
    // Port 1 stays silent for two tries, and is given up. Port 3 is still under way.
    job.pass(ms(1000));
    job.sent(0, ms(1000));
    job.pass(ms(5000));
    job.sent(2, ms(5000));
    job.pass(ms(5001));
    assert_eq!((states(&job), job.is_over()), (vec![None, Some(PortState::Closed), None], false));
    assert!(job.hear(&heard(1, 0, TAKES), ms(5002), &Pace::default()).is_answer);
    assert_eq!(states(&job), [Some(PortState::Open), Some(PortState::Closed), None]);
    assert_eq!((job.active(), job.is_over()), (1, false));
    // What comes once more, or says less, is counted as such and changes nothing.
    for (port, flags) in [(1, TAKES), (1, RESET), (2, RESET)] {
        assert_eq!(job.hear(&heard(port, 1, flags), ms(5003), &Pace::default()), Heeded::default(), "{port}");
    }
    assert!(job.hear(&heard(3, 0, RESET), ms(5004), &Pace::default()).is_answer);
    assert_eq!(states(&job), [Some(PortState::Open), Some(PortState::Closed), Some(PortState::Closed)]);
    assert_eq!((job.active(), job.is_over()), (0, true));
}
