//! Raw packets on a bad path. What we send goes through as it is; of what is captured, each capture loses, delays, doubles
//! and changes its own share.
//!
//! A packet that was changed is looked at again, as the kernel would have: only what the capture asked for gets in.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use async_executor::Task;

use super::dice::{Dice, Fault, Tally};
use super::next_dice;
use crate::capture::{Captured, Dispatcher, Frame, Interest, Observer, Subscription};
use crate::model::{Interface, NetError, PacketTotals, Route, Timestamp};
use crate::net::packets::{Outgoing, Packets, Ports, ReservedPort, Sent};
use crate::net::{NetFuture, Origin};
use crate::runtime::{Clock, Random, Spawner};

/// Packets under way to one capture at once; more are lost.
const UNDER_WAY: usize = 256;
/// How long one that is overtaken takes: whatever comes within that time is before it.
const OVERTAKEN: Duration = Duration::from_millis(200);
const FAULTS: [Fault; 6] =
    [Fault::Drop, Fault::Delay, Fault::Duplicate, Fault::Truncate, Fault::Reorder, Fault::Corrupt];

/// Who hands the packets of one capture on, and to whom.
type Carrier = (Dispatcher, Task<()>);

/// Other packets, spoilt.
pub struct FaultyPackets {
    inner: Rc<dyn Packets>,
    clock: Clock,
    spawner: Spawner,
    random: Random,
    tally: Tally,
    /// Captures opened so far.
    opened: Cell<u64>,
    /// Those that somebody still listens to.
    live: Rc<RefCell<Vec<Carrier>>>,
}

impl FaultyPackets {
    /// Spoils what `inner` captures, as the seed of `random` has it, and counts it in `tally`.
    pub fn new(inner: Rc<dyn Packets>, clock: Clock, spawner: Spawner, random: &Random, tally: Tally) -> FaultyPackets {
        let random = random.derive("faults of packets");
        FaultyPackets { inner, clock, spawner, random, tally, opened: Cell::default(), live: Rc::default() }
    }
}

/// One capture, spoilt.
struct Path {
    inner: Subscription,
    dispatcher: Dispatcher,
    dice: Dice,
    clock: Clock,
    under_way: BTreeMap<(Timestamp, u64), Captured>,
    entered: u64,
}

impl Path {
    /// Hands packets on as long as somebody listens; ends those who do with the error the capture below ends with.
    async fn carry(mut self) {
        while self.dispatcher.subscriptions() > 0 {
            let first = self.under_way.first_key_value().map(|(key, _)| key.0);
            let taken = match first {
                Some(at) => self.clock.before(at, self.inner.next()).await.ok(),
                None => Some(self.inner.next().await),
            };
            match taken {
                Some(Ok(packet)) => self.spoil(packet),
                Some(Err(error)) => {
                    self.deliver(Timestamp(u64::MAX));
                    self.dispatcher.capture_ended(&error);
                    return;
                }
                None => {}
            }
            self.deliver(self.clock.now());
        }
    }

    /// Puts a packet on its way, as it fares.
    fn spoil(&mut self, mut packet: Captured) {
        let now = self.clock.now();
        let mut at = now;
        match self.dice.fault(&FAULTS) {
            Some(Fault::Drop) => return,
            Some(Fault::Delay) => at = now.plus(self.dice.delay()),
            Some(Fault::Reorder) => at = now.plus(OVERTAKEN),
            Some(Fault::Duplicate) => self.enter(now.plus(self.dice.delay()), packet.clone()),
            Some(Fault::Truncate) => {
                let mut bytes = packet.bytes.to_vec();
                self.dice.cut(&mut bytes);
                packet.wire_len = bytes.len() as u32;
                packet.bytes = bytes.into();
            }
            Some(Fault::Corrupt) => {
                let mut bytes = packet.bytes.to_vec();
                self.dice.corrupt(&mut bytes);
                packet.bytes = bytes.into();
            }
            Some(Fault::Reset | Fault::Split) | None => {}
        }
        self.enter(at, packet);
    }

    fn enter(&mut self, at: Timestamp, packet: Captured) {
        if self.under_way.len() < UNDER_WAY {
            self.entered += 1;
            self.under_way.insert((at, self.entered), packet);
        }
    }

    /// Hands on what has arrived by `now`.
    fn deliver(&mut self, now: Timestamp) {
        while let Some(first) = self.under_way.first_entry() {
            let (arrived, _) = *first.key();
            if arrived > now {
                return;
            }
            let packet = first.remove();
            self.dispatcher.dispatch(&Frame {
                // Whoever is late is seen late.
                at: packet.at.max(arrived.min(self.clock.now())),
                interface: &packet.interface,
                link: packet.link,
                direction: packet.direction,
                wire_len: packet.wire_len,
                bytes: &packet.bytes,
            });
        }
    }
}

impl Packets for FaultyPackets {
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
        self.inner.send(packets, origin)
    }

    fn reserve(&self, ports: Ports, local: IpAddr, origin: &Origin) -> NetFuture<Box<dyn ReservedPort>> {
        self.inner.reserve(ports, local, origin)
    }

    fn capture(&self, interest: Interest, origin: &Origin) -> NetFuture<Subscription> {
        let dice = next_dice(&self.opened, &self.random, &self.tally);
        let (clock, spawner, live) = (self.clock.clone(), self.spawner.clone(), Rc::clone(&self.live));
        let opening = self.inner.capture(interest.clone(), origin);
        Box::pin(async move {
            let inner = opening.await?;
            let dispatcher = Dispatcher::new();
            let given = dispatcher.subscribe(interest);
            let path =
                Path { inner, dispatcher: dispatcher.clone(), dice, clock, under_way: BTreeMap::new(), entered: 0 };
            let task = spawner.spawn(path.carry());
            let mut live = live.borrow_mut();
            live.retain(|(dispatcher, _)| dispatcher.subscriptions() > 0);
            live.push((dispatcher, task));
            Ok(given)
        })
    }

    /// It is shown what came, before any capture spoils its share.
    fn observe(&self, observer: Observer) {
        self.inner.observe(observer);
    }

    fn captured(&self) -> PacketTotals {
        self.inner.captured()
    }
}
