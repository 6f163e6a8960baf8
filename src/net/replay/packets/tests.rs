//! Small recordings of packets, through the file and back.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use super::*;
use crate::capture::Direction;
use crate::model::LinkKind;
use crate::net::record::packet_note::{Facts, PacketNote};
use crate::net::record::{Header, RecordedPackets, Recorder, observer};
use crate::net::replay::recording;
use crate::runtime::Runtime;

const START: Timestamp = Timestamp(1_000_000_000_000);
const NEAR: [u8; 4] = [192, 0, 2, 1];
const FAR: [u8; 4] = [192, 0, 2, 2];

/// A machine on a link where every echo request is answered 5 ms after it was taken, which takes 2 ms.
struct Echoing {
    clock: Clock,
    spawner: Spawner,
    dispatcher: Dispatcher,
    answers: RefCell<Vec<Task<()>>>,
}

fn interface() -> Rc<Interface> {
    Rc::new(Interface {
        index: 7,
        name: "e7".into(),
        kind: LinkKind::Other,
        link: LinkType::Ip,
        mac: None,
        mtu: 1500,
        up: true,
        addrs: Vec::new(),
    })
}

fn echo(kind: u8, from: [u8; 4], to: [u8; 4], id: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    packet.extend(from.into_iter().chain(to).chain([kind, 0, 0, 0, 0, id, 0, 1]));
    packet
}

impl Packets for Echoing {
    fn permitted(&self) -> Result<(), NetError> {
        Ok(())
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        Box::pin(std::future::ready(Ok(vec![interface()])))
    }

    fn route(&self, to: IpAddr, _interface: Option<u32>) -> NetFuture<Route> {
        let route = Route { interface: interface(), source: NEAR.into(), gateway: Some(to) };
        Box::pin(std::future::ready(Ok(route)))
    }

    fn send(&self, packets: Vec<Outgoing>, _origin: &Origin) -> NetFuture<Vec<Sent>> {
        let (clock, dispatcher) = (self.clock.clone(), self.dispatcher.clone());
        let at = clock.now().plus(Duration::from_millis(2));
        for packet in &packets {
            let (Outgoing::Ip { packet: bytes, .. } | Outgoing::Frame { frame: bytes, .. }) = packet;
            let reply = echo(0, FAR, NEAR, bytes[25]);
            let (clock, dispatcher) = (clock.clone(), dispatcher.clone());
            self.answers.borrow_mut().push(self.spawner.spawn(async move {
                clock.sleep_until(at.plus(Duration::from_millis(5))).await;
                let (interface, link, direction) = (&interface(), LinkType::Ip, Direction::In);
                dispatcher.kernel_lost(7, 3);
                let wire_len = reply.len() as u32;
                dispatcher.dispatch(&Frame { at: clock.now(), interface, link, direction, wire_len, bytes: &reply });
            }));
        }
        Box::pin(async move {
            clock.sleep_until(at).await;
            Ok(vec![Ok(at); packets.len()])
        })
    }

    fn reserve(&self, _ports: Ports, _local: IpAddr, _origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        Box::pin(std::future::ready(Ok(Box::new(Port(4242)) as Box<dyn ReservedPort>)))
    }

    fn capture(&self, interest: Interest, _origin: &Origin) -> NetFuture<Subscription> {
        Box::pin(std::future::ready(Ok(self.dispatcher.subscribe(interest))))
    }

    fn observe(&self, observer: crate::capture::Observer) {
        self.dispatcher.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.dispatcher.totals()
    }
}

#[derive(Clone, Default)]
struct File(Rc<RefCell<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Two echo requests and their answers in two captures: everything somebody sees of it.
async fn talk(packets: &dyn Packets, clock: &Clock, ids: [u8; 2]) -> Result<Vec<String>, NetError> {
    let origin = Origin::new("test@192.0.2.2");
    packets.permitted()?;
    let route = packets.route(FAR.into(), None).await?;
    let port = packets.reserve(Ports::one(Protocol::Tcp), NEAR.into(), &origin).await?.port();
    let mut seen = vec![format!("{route:?} {port} {:?}", packets.interfaces().await?)];
    let both = [packets.capture(Interest::default(), &origin).await?, {
        packets.capture(Interest { snaplen: 20, ..Interest::default() }, &origin).await?
    }];
    for id in ids {
        let one = Outgoing::Ip { packet: echo(8, NEAR, FAR, id).into(), interface: None };
        let sent = packets.send(vec![one], &origin).await?;
        for capture in &both {
            let reply = capture.next().await?;
            seen.push(format!("{sent:?} {reply:?} {:?} now {}", capture.counters(), clock.now().0));
        }
    }
    Ok(seen)
}

fn recorded() -> (Vec<u8>, Vec<String>) {
    let runtime = Runtime::simulated(START);
    let (file, header) = (File::default(), Header { started: START, ..Header::default() });
    let recorder = Recorder::new(Box::new(file.clone()), &header, runtime.clock()).expect("memory takes it");
    let dispatcher = Dispatcher::new();
    dispatcher.observe(observer(recorder.clone()));
    let (clock, spawner, answers) = (runtime.clock(), runtime.spawner(), RefCell::default());
    let inner = Rc::new(Echoing { clock, spawner, dispatcher, answers });
    let packets = RecordedPackets::new(inner, recorder.clone());
    let seen = runtime.run(talk(&packets, &runtime.clock(), [1, 2])).expect("nothing fails");
    recorder.finish().expect("memory takes it");
    let bytes = file.0.borrow().clone();
    (bytes, seen)
}

fn replayed(file: &[u8], mode: Mode, ids: [u8; 2]) -> (Option<Result<Vec<String>, NetError>>, Vec<String>) {
    let runtime = Runtime::simulated(START);
    let (tape, differences) = (recording(file).expect("it is whole").packets, Differences::default());
    let packets = ReplayPackets::new(tape, mode, runtime.clock(), runtime.spawner(), differences.clone());
    let seen = runtime.run_until_stalled(talk(&packets, &runtime.clock(), ids));
    packets.report_unused();
    (seen, differences.lines())
}

#[test]
fn a_recorded_run_is_the_same_again_with_its_times_and_losses() {
    let (file, live) = recorded();
    assert_eq!(replayed(&file, Mode::Strict, [1, 2]), (Some(Ok(live.clone())), Vec::new()));
    assert_eq!(replayed(&file, Mode::Lenient, [1, 2]).0, Some(Ok(live)));
}

#[test]
fn other_packets_are_a_difference_and_in_a_lenient_replay_nobody_answers_them() {
    let (file, _) = recorded();
    let (seen, differences) = replayed(&file, Mode::Strict, [1, 9]);
    let error = seen.expect("it does not wait").expect_err("it differs");
    assert_eq!(error.kind, NetErrorKind::Replay);
    assert!(error.detail.starts_with("differs at byte 25 (packet ") && error.detail.contains(", now "), "{error}");
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(differences[1].contains("did not send it"), "{differences:?}");
    let (seen, differences) = replayed(&file, Mode::Lenient, [1, 9]);
    assert_eq!((seen, differences.len()), (None, 1), "it waits for ever");
}

#[test]
fn only_the_clock_of_a_timestamp_request_is_left_out() {
    let mut request = echo(13, NEAR, FAR, 1);
    request.extend([1; 12]);
    let mut other = request.clone();
    other[22] ^= 1;
    other[31] ^= 1;
    assert_eq!(comparable(&request, false), comparable(&other, false));
    assert_ne!(comparable(&request, true), comparable(&other, true));
    other[32] ^= 1;
    assert_ne!(comparable(&request, false), comparable(&other, false));
    for cut in 0..request.len() {
        assert_eq!(comparable(&request[..cut], false).len(), cut);
    }
}

#[test]
fn a_captured_packet_of_an_unknown_interface_is_named() {
    let mut taping = crate::net::replay::tape::Taping::default();
    let mut take = |note: &PacketNote| {
        let comment = note.to_comment();
        let comments = vec![comment.as_str()];
        taping.take(&crate::net::replay::reader::Frame {
            number: 4,
            at: START,
            link: 1,
            data: &[],
            wire_len: 0,
            comments,
        })
    };
    let captured = PacketNote::Captured { interface: 7, out: false, lost: 0 };
    let error = take(&captured).expect_err("it is unknown").to_string();
    assert_eq!(error, "packet 4: the interface it was captured on is not described");
    let facts = PacketNote::Interface { first: false, facts: Some(Facts::from(&*interface())) };
    assert_eq!(take(&facts), Ok(true));
    assert_eq!(take(&captured), Ok(true));
}
