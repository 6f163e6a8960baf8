//! From a packet to the queues of all who want it.
//!
//! Keys and fences are looked up in indexes, so thousands of them cost one lookup a packet; what has only a filter is tried
//! in the order of subscription. Pure: the live capture, a recording and a model of a network feed it alike.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Waker;

use super::coverage::{Coverage, Coverages};
use super::ends::Ends;
use super::known::Filters;
use super::subscription::{Shared, Subscription};
use super::{Captured, Filter, FilterError, Frame, Interest};
use crate::model::{LinkType, NetError, PacketTotals};
use crate::packet::FlowKey;

/// Where packets come from, as far as the dispatcher has to tell it something.
pub trait Source {
    /// Less is wanted of `interface` than its program lets through.
    fn wants_less(&self, interface: u32);

    /// Hand what was lost up to now to [`Dispatcher::kernel_lost`].
    fn count_losses(&self);
}

/// Is shown each packet that somebody wants, once, and how many packets the kernel had lost there by then.
pub type Observer = Rc<dyn Fn(&Frame<'_>, u64)>;

/// Knows whom to wake. Clones share the subscriptions.
#[derive(Clone, Default)]
pub struct Dispatcher {
    table: Rc<RefCell<Table>>,
    source: Rc<RefCell<Option<Rc<dyn Source>>>>,
    observers: Rc<RefCell<Vec<Observer>>>,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    live: BTreeMap<u64, Rc<Shared>>,
    by_key: HashMap<FlowKey, Vec<Rc<Shared>>>,
    by_host: HashMap<IpAddr, Vec<Rc<Shared>>>,
    /// Neither key nor fence, in the order of subscription.
    rest: Vec<Rc<Shared>>,
    filters: Filters,
    coverages: Coverages,
    /// What the kernel lost, by interface.
    lost: HashMap<u32, u64>,
    totals: PacketTotals,
}

impl Dispatcher {
    /// A dispatcher nobody has subscribed to.
    pub fn new() -> Dispatcher {
        Dispatcher::default()
    }

    /// Tells it where packets come from.
    pub fn set_source(&self, source: Rc<dyn Source>) {
        *self.source.borrow_mut() = Some(source);
    }

    /// From now on `observer`, too, is shown each packet before anybody is woken for it.
    pub fn observe(&self, observer: Observer) {
        self.observers.borrow_mut().push(observer);
    }

    /// Whether a filter makes sense on links of a kind. What is found out is kept for whoever subscribes with it.
    pub fn check(&self, filter: &Rc<Filter>, link: LinkType) -> Result<(), FilterError> {
        let known = self.table.borrow_mut().filters.know(filter);
        known.check(link)
    }

    /// Subscribes to what `interest` describes. It gets packets from now on, of those that are dispatched: whoever captures
    /// attaches the program of [`Dispatcher::coverage`] before anybody relies on it.
    pub fn subscribe(&self, interest: Interest) -> Subscription {
        let mut table = self.table.borrow_mut();
        let filter = interest.filter.as_ref().map(|filter| table.filters.know(filter));
        let shared = Rc::new(Shared::new(table.next_id, interest, filter));
        table.next_id += 1;
        table.insert(&shared);
        drop(table);
        Subscription::new(shared, self.clone())
    }

    pub(super) fn unsubscribe(&self, shared: &Rc<Shared>) {
        let narrower = self.table.borrow_mut().remove(shared);
        let source = self.source.borrow().clone();
        if let Some(source) = source {
            for interface in narrower {
                source.wants_less(interface);
            }
        }
    }

    /// Gives `frame` to everybody who wants it, then wakes them.
    pub fn dispatch(&self, frame: &Frame<'_>) {
        let mut woken = Vec::new();
        let is_wanted = self.table.borrow_mut().deliver(frame, &mut woken);
        let observers = self.observers.borrow();
        if is_wanted && !observers.is_empty() {
            let lost = self.table.borrow().lost.get(&frame.interface.index).copied();
            observers.iter().for_each(|observer| observer(frame, lost.unwrap_or(0)));
        }
        drop(observers);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The kernel lost `packets` that its program on `interface` had let through.
    pub fn kernel_lost(&self, interface: u32, packets: u64) {
        if packets == 0 {
            return;
        }
        let mut table = self.table.borrow_mut();
        table.totals.lost += packets;
        *table.lost.entry(interface).or_default() += packets;
        table.live.values().filter(|one| one.interest.covers(interface)).for_each(|one| one.count_lost(packets));
    }

    /// Whoever subscribed to `interface`, and no other, gets `error` after what is in its queue.
    pub fn interface_gone(&self, interface: u32, error: &NetError) {
        self.end(error, |interest| interest.interface == Some(interface));
        self.table.borrow_mut().coverages.forget(interface);
    }

    /// Everybody gets `error` after what is in their queues: nothing is captured any more.
    pub fn capture_ended(&self, error: &NetError) {
        self.end(error, |_| true);
    }

    fn end(&self, error: &NetError, concerns: impl Fn(&Interest) -> bool) {
        let mut woken = Vec::new();
        let table = self.table.borrow();
        table.live.values().filter(|one| concerns(&one.interest)).for_each(|one| one.end(error, &mut woken));
        drop(table);
        woken.into_iter().for_each(Waker::wake);
    }

    /// What the kernel should let through on `interface`: all that anybody wants, and little more. Cheap when nothing new
    /// is wanted.
    pub fn coverage(&self, interface: u32, link: LinkType) -> Coverage {
        let Table { coverages, live, .. } = &mut *self.table.borrow_mut();
        coverages.get(interface, link, live)
    }

    /// What became of all packets so far.
    pub fn totals(&self) -> PacketTotals {
        self.collect_losses();
        self.table.borrow().totals
    }

    /// Live subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.table.borrow().live.len()
    }

    pub(super) fn collect_losses(&self) {
        let source = self.source.borrow().clone();
        if let Some(source) = source {
            source.count_losses();
        }
    }
}

impl Table {
    fn insert(&mut self, shared: &Rc<Shared>) {
        let interest = &shared.interest;
        match (interest.key, interest.hosts.as_slice()) {
            (Some(key), _) => self.by_key.entry(key).or_default().push(Rc::clone(shared)),
            (None, []) => self.rest.push(Rc::clone(shared)),
            (None, hosts) => {
                for host in hosts {
                    self.by_host.entry(*host).or_default().push(Rc::clone(shared));
                }
            }
        }
        self.live.insert(shared.id, Rc::clone(shared));
        self.coverages.add(shared);
    }

    /// Takes it out everywhere and names the interfaces whose program may become narrower for it.
    fn remove(&mut self, shared: &Rc<Shared>) -> Vec<u32> {
        let interest = &shared.interest;
        match (interest.key, interest.hosts.as_slice()) {
            (Some(key), _) => take_out(&mut self.by_key, &key, shared),
            (None, []) => self.rest.retain(|one| one.id != shared.id),
            (None, hosts) => hosts.iter().for_each(|host| take_out(&mut self.by_host, host, shared)),
        }
        self.live.remove(&shared.id);
        self.coverages.remove(interest)
    }

    /// True if anybody wants it, even without room for it.
    fn deliver(&mut self, frame: &Frame<'_>, woken: &mut Vec<Waker>) -> bool {
        self.totals.seen += 1;
        let mut delivery =
            Delivery { frame, number: self.totals.seen, copies: Vec::new(), wanted: 0, dropped: 0, woken };
        if !self.by_key.is_empty()
            && let Some(key) = FlowKey::of_reply(frame.link, frame.bytes)
            && let Some(list) = self.by_key.get(&key)
        {
            for one in list {
                delivery.offer_fenced(one);
            }
        }
        if !self.by_host.is_empty() {
            for addr in Ends::of(frame.link, frame.bytes).iter() {
                self.by_host.get(&addr).into_iter().flatten().for_each(|one| delivery.offer(one));
            }
        }
        self.rest.iter().for_each(|one| delivery.offer(one));
        self.totals.delivered += delivery.wanted;
        self.totals.dropped += delivery.dropped;
        delivery.wanted + delivery.dropped > 0
    }
}

fn take_out<K: Hash + Eq>(index: &mut HashMap<K, Vec<Rc<Shared>>>, key: &K, shared: &Rc<Shared>) {
    let Some(list) = index.get_mut(key) else { return };
    list.retain(|one| one.id != shared.id);
    if list.is_empty() {
        index.remove(key);
    }
}

/// One packet on its way into queues.
struct Delivery<'a> {
    frame: &'a Frame<'a>,
    /// Tells this packet from the one before.
    number: u64,
    /// Its bytes, by length kept: made when somebody wants them, then shared.
    copies: Vec<Rc<[u8]>>,
    wanted: u64,
    dropped: u64,
    woken: &'a mut Vec<Waker>,
}

impl Delivery<'_> {
    /// Offers the packet to one found by its key, which may have a fence too.
    fn offer_fenced(&mut self, shared: &Shared) {
        let hosts = &shared.interest.hosts;
        if hosts.is_empty() || Ends::of(self.frame.link, self.frame.bytes).iter().any(|addr| hosts.contains(&addr)) {
            self.offer(shared);
        }
    }

    fn offer(&mut self, shared: &Shared) {
        let (frame, interest) = (self.frame, &shared.interest);
        if shared.looked_at.replace(self.number) == self.number
            || !interest.covers(frame.interface.index)
            || !interest.directions.admit(frame)
            || !shared.passes(frame)
            || shared.is_ended()
        {
            return;
        }
        let length = frame.bytes.len().min(interest.snaplen as usize);
        if !shared.has_room(length) {
            self.dropped += 1;
            return;
        }
        self.wanted += 1;
        let packet = Captured {
            at: frame.at,
            interface: Rc::clone(frame.interface),
            link: frame.link,
            direction: frame.direction,
            wire_len: frame.wire_len,
            bytes: self.copy(length),
        };
        shared.push(packet, self.woken);
    }

    fn copy(&mut self, length: usize) -> Rc<[u8]> {
        if let Some(copy) = self.copies.iter().find(|copy| copy.len() == length) {
            return Rc::clone(copy);
        }
        let copy: Rc<[u8]> = self.frame.bytes.get(..length).unwrap_or(self.frame.bytes).into();
        self.copies.push(Rc::clone(&copy));
        copy
    }
}
