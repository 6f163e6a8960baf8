//! Packets past the kernel's own protocols, recorded as they are, with what it takes to find the same way again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::packet_note::{Facts, PacketNote, Told, Trouble, Way, name_of};
use super::writer::Recorder;
use crate::capture::{Direction, Frame, Interest, Observer, Subscription};
use crate::model::{Interface, NetError, NetErrorKind, PacketTotals, Route, Timestamp};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use crate::net::{NetFuture, Origin};
use crate::packet::segment;

/// Other packets, recorded.
pub struct RecordedPackets {
    inner: Rc<dyn Packets>,
    log: Rc<Log>,
}

/// What came of asking for a way.
type Found = Result<Route, NetError>;

/// What was written already, so that it is written again only when it has changed.
struct Log {
    recorder: Recorder,
    permitted: RefCell<Option<PacketNote>>,
    interfaces: RefCell<Option<Vec<Rc<Interface>>>>,
    routes: RefCell<HashMap<(IpAddr, Option<u32>), Found>>,
    told: RefCell<Told>,
}

impl RecordedPackets {
    /// Records what passes through `inner`, which shows what it captures to [`observer`].
    pub fn new(inner: Rc<dyn Packets>, recorder: Recorder) -> RecordedPackets {
        let (permitted, interfaces) = (RefCell::default(), RefCell::default());
        let (routes, told) = (RefCell::default(), RefCell::default());
        RecordedPackets { inner, log: Rc::new(Log { recorder, permitted, interfaces, routes, told }) }
    }
}

/// Writes every captured packet it is shown.
pub fn observer(recorder: Recorder) -> Observer {
    let lost_before = RefCell::new(HashMap::new());
    Rc::new(move |frame: &Frame<'_>, lost| {
        let before = lost_before.borrow_mut().insert(frame.interface.index, lost).unwrap_or(0);
        let out = frame.direction == Direction::Out;
        let note = PacketNote::Captured { interface: frame.interface.index, out, lost };
        recorder.captured(frame, lost.saturating_sub(before), &note.to_comment());
    })
}

impl Log {
    fn note(&self, note: &PacketNote) {
        if let Some(packet) = segment::note(Ipv4Addr::UNSPECIFIED.into()) {
            self.recorder.commented(self.recorder.now(), &packet, &note.to_comment());
        }
    }

    fn interfaces(&self, list: &[Rc<Interface>]) {
        if self.interfaces.borrow().as_deref() == Some(list) {
            return;
        }
        *self.interfaces.borrow_mut() = Some(list.to_vec());
        if list.is_empty() {
            self.note(&PacketNote::Interface { first: true, facts: None });
        }
        for (index, interface) in list.iter().enumerate() {
            self.note(&PacketNote::Interface { first: index == 0, facts: Some(Facts::from(&**interface)) });
            self.recorder.interface(interface);
        }
    }

    fn route(&self, to: IpAddr, interface: Option<u32>, answer: &Found) {
        if self.routes.borrow().get(&(to, interface)) == Some(answer) {
            return;
        }
        self.routes.borrow_mut().insert((to, interface), answer.clone());
        let told = &mut self.told.borrow_mut();
        let answer = answer.as_ref().map(|route| Way::of(route, told)).map_err(Trouble::from);
        self.note(&PacketNote::Route { to, interface, answer });
    }
}

/// Packets under way. Dropped before the outcome is known, they are written all the same.
struct Sending {
    log: Rc<Log>,
    packets: Vec<Outgoing>,
    origin: Origin,
    called: Timestamp,
}

impl Sending {
    fn done(&mut self, outcome: &Result<Vec<Sent>, NetError>) {
        let packets = std::mem::take(&mut self.packets);
        for (index, packet) in packets.iter().enumerate() {
            let unknown = || Err(NetError::new(NetErrorKind::Local, "send", "a packet"));
            let sent = match outcome {
                Ok(all) => all.get(index).cloned().unwrap_or_else(unknown),
                Err(error) => Err(error.clone()),
            };
            let note = PacketNote::sent(&self.origin, way_of(packet), self.called, &sent);
            self.write(sent.unwrap_or(self.called), packet, &note);
        }
    }

    fn write(&self, at: Timestamp, packet: &Outgoing, note: &PacketNote) {
        match packet {
            Outgoing::Ip { packet, .. } => self.log.recorder.commented(at, packet, &note.to_comment()),
            Outgoing::Frame { frame, interface } => {
                self.log.recorder.frame(at, frame, *interface, &note.to_comment());
            }
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        for packet in std::mem::take(&mut self.packets) {
            let origin = self.origin.as_str().to_owned();
            let (interface, frame) = way_of(&packet);
            let note = PacketNote::Sent { origin, interface, frame, took: 0, error: None, unheard: true };
            self.write(self.called, &packet, &note);
        }
    }
}

/// The interface asked for, and whether it is a frame.
fn way_of(packet: &Outgoing) -> (Option<u32>, bool) {
    match packet {
        Outgoing::Ip { interface, .. } => (*interface, false),
        Outgoing::Frame { interface, .. } => (Some(*interface), true),
    }
}

impl Packets for RecordedPackets {
    fn permitted(&self) -> Result<(), NetError> {
        let answer = self.inner.permitted();
        let note = PacketNote::Permitted { error: answer.as_ref().err().map(Trouble::from) };
        if self.log.permitted.borrow().as_ref() != Some(&note) {
            self.log.note(&note);
            *self.log.permitted.borrow_mut() = Some(note);
        }
        answer
    }

    fn interfaces(&self) -> NetFuture<Vec<Rc<Interface>>> {
        let (asked, log) = (self.inner.interfaces(), Rc::clone(&self.log));
        Box::pin(async move {
            let list = asked.await?;
            log.interfaces(&list);
            Ok(list)
        })
    }

    fn route(&self, to: IpAddr, interface: Option<u32>) -> NetFuture<Route> {
        let (asked, log) = (self.inner.route(to, interface), Rc::clone(&self.log));
        Box::pin(async move {
            let answer = asked.await;
            log.route(to, interface, &answer);
            answer
        })
    }

    fn send(&self, packets: Vec<Outgoing>, origin: &Origin) -> NetFuture<Vec<Sent>> {
        let log = Rc::clone(&self.log);
        let called = log.recorder.now();
        let mut sending = Sending { log, packets: packets.clone(), origin: origin.clone(), called };
        let sent = self.inner.send(packets, origin);
        Box::pin(async move {
            let outcome = sent.await;
            sending.done(&outcome);
            outcome
        })
    }

    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        let (asked, log) = (self.inner.reserve(ports, local, origin), Rc::clone(&self.log));
        let (origin, protocol) = (origin.as_str().to_owned(), name_of(ports.protocol));
        Box::pin(async move {
            let port = asked.await;
            let answer = port.as_ref().map(|port| port.port()).map_err(Trouble::from);
            log.note(&PacketNote::Reserved { origin, protocol, answer });
            port
        })
    }

    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription> {
        let (interfaces, opening) = (self.interfaces(), self.inner.capture(interest, origin));
        let (log, origin) = (Rc::clone(&self.log), origin.as_str().to_owned());
        Box::pin(async move {
            interfaces.await?; // what is captured is on these
            let opened = opening.await;
            log.note(&PacketNote::Opened { origin, error: opened.as_ref().err().map(Trouble::from) });
            opened
        })
    }

    fn observe(&self, observer: Observer) {
        self.inner.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.inner.captured()
    }
}
