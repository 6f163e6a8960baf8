//! The prober's one task.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::yield_now;

use super::Shared;
use super::state::Ask;
use super::way::Way;
use crate::capture::Captured;
use crate::model::{NetError, Timestamp};
use crate::net::Origin;
use crate::net::packets::Outgoing;
use crate::packet::{neighbor_question, number};
use crate::scan::probe::{Address, Form, Question};

/// Packets sent in one turn.
const BATCH: usize = 64;
/// Captured packets taken in before something is sent.
const HEARD_A_TURN: usize = 1024;
/// Longest rest, in which nothing was going to happen anyway.
const REST: Duration = Duration::from_hours(1);

/// Works for as long as somebody holds the prober.
pub(super) async fn drive(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        shared.hear();
        let now = shared.network.clock.now();
        shared.state.borrow_mut().pass(now);
        let batch = shared.collect(now);
        if batch.is_empty() {
            shared.rest().await;
        } else {
            shared.send(batch).await;
        }
    }
}

/// Packets and the questions they ask.
#[derive(Default)]
struct Batch {
    packets: Vec<Outgoing>,
    asks: Vec<Option<Ask>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

impl Shared {
    /// Takes in what was captured.
    fn hear(&self) {
        let mut state = self.state.borrow_mut();
        for at in 0..state.subscriptions().len() {
            for _ in 0..HEARD_A_TURN {
                let Some(packet) = state.subscriptions().get(at).and_then(|(_, packets)| packets.try_next()) else {
                    break;
                };
                let now = packet.at;
                state.hear(&packet, &self.pace, now);
            }
        }
    }

    /// What may be sent at `now`; first packets to a next hop go by themselves.
    fn collect(self: &Rc<Self>, now: Timestamp) -> Batch {
        let mut batch = Batch::default();
        if self.governor.next_start() > now {
            return batch;
        }
        let most = BATCH.min(self.governor.burst());
        let mut state = self.state.borrow_mut();
        let mut introducing = 0;
        while batch.packets.len() + introducing < most {
            let Some(ask) = state.next_ask(now) else { break };
            let Some(job) = state.job(ask.id) else { continue };
            let (way, question, purpose) = (job.host.clone(), job.plan.question(ask.place), job.plan.purpose());
            let hop = job.plan.hop(ask.place);
            let number = hop.unwrap_or(ask.number.min(super::super::probe::TIMING_PING));
            let address = Address {
                source: way.source,
                to: way.addr,
                local_port: state.hearing.local_port(protocol_of(question), purpose, number),
                cookie: state.hearing.cookie(way.addr, cookie_number(question), purpose),
                number,
                ttl: hop,
            };
            let interface = (way.scope > 0).then_some(way.scope);
            let first = batch.packets.len();
            let written = if question.form == Form::Neighbor {
                neighbor(&way).map(|frame| batch.packets.push(frame)).is_some()
            } else {
                state.forms.write(question, &address, |packet| batch.packets.push(Outgoing::Ip { packet, interface }))
            };
            if !written {
                state.with(ask.id, now, |job| job.unaskable(ask.place));
                if ask.introduces {
                    state.not_introduced(ask.id);
                }
                continue;
            }
            state.counts.sent += (batch.packets.len() - first) as u64;
            if ask.introduces {
                let packets = batch.packets.split_off(first);
                introducing += packets.len();
                self.governor.begin(packets.len());
                let task = self.spawner.spawn(introduce(Rc::downgrade(self), way, ask, packets));
                state.keep_introduction(ask.id, task);
                continue;
            }
            batch.asks.push(Some(ask));
            batch.asks.resize(batch.packets.len(), None);
        }
        batch
    }

    async fn send(&self, batch: Batch) {
        self.governor.begin(batch.packets.len());
        let sent = self.network.packets.send(batch.packets, &Origin::SCAN).await;
        let now = self.network.clock.now();
        let mut state = self.state.borrow_mut();
        for (at, ask) in batch.asks.iter().enumerate() {
            let Some(ask) = ask else { continue };
            let outcome = match &sent {
                Ok(all) => all.get(at).cloned().unwrap_or(Ok(now)),
                Err(error) => Err(error.clone()),
            };
            match outcome {
                Ok(at) => _ = state.job(ask.id).map(|job| job.stamp(ask.place, at)),
                Err(error) if ask.is_ping => _ = state.job(ask.id).map(|job| job.failed = Some(error)),
                Err(error) => _ = state.with(ask.id, now, |job| job.could_not_ask(ask.place, error)),
            }
        }
    }

    /// Waits for a packet, a deadline, or news.
    async fn rest(&self) {
        let clock = &self.network.clock;
        let now = clock.now();
        let start = self.governor.next_start();
        let mut until = self.state.borrow().next_deadline().unwrap_or(now.plus(REST));
        if start > now {
            until = until.max(start);
        }
        if until <= now {
            return yield_now().await; // a rate said no for a moment that is over
        }
        let mut sleep = pin!(clock.sleep_until(until));
        let mut heard = self.listen();
        let packet = poll_fn(|cx| {
            for (interface, next) in &mut heard {
                if let Poll::Ready(packet) = next.as_mut().poll(cx) {
                    return Poll::Ready(Some((*interface, packet)));
                }
            }
            if self.state.borrow_mut().wait_for_change(cx.waker()) {
                return Poll::Ready(None);
            }
            sleep.as_mut().poll(cx).map(|()| None)
        })
        .await;
        let mut state = self.state.borrow_mut();
        match packet {
            Some((_, Ok(packet))) => state.hear(&packet, &self.pace, packet.at),
            Some((interface, Err(error))) => state.deaf(interface, &error, clock.now()),
            None => {}
        }
    }

    fn listen(&self) -> Vec<(u32, NextPacket)> {
        let state = self.state.borrow();
        let each = state.subscriptions().iter();
        each.map(|(interface, packets)| (*interface, Box::pin(packets.next()) as NextPacket)).collect()
    }
}

type NextPacket = Pin<Box<dyn Future<Output = Result<Captured, NetError>>>>;

/// Sends the first packet to a next hop. Nobody else waits for that.
async fn introduce(shared: Weak<Shared>, way: Way, ask: Ask, packets: Vec<Outgoing>) {
    let Some(network) = shared.upgrade().map(|shared| shared.network.clone()) else { return };
    let sent = network.packets.send(packets, &Origin::SCAN).await;
    let sent = sent.and_then(|all| all.into_iter().next().unwrap_or(Ok(network.clock.now())));
    let Some(shared) = shared.upgrade() else { return };
    let done = shared.state.borrow_mut().introduced((&way, &ask), sent, network.clock.now());
    if let Some(task) = done {
        task.detach(); // it is this one, and about to end
    }
}

fn neighbor(way: &Way) -> Option<Outgoing> {
    let frame = neighbor_question(way.mac?, way.source, way.addr)?;
    Some(Outgoing::Frame { frame: frame.into(), interface: way.interface })
}

/// The protocol whose local ports a question leaves from.
fn protocol_of(question: Question) -> u8 {
    match (question.form, question.number) {
        (Form::Udp, _) => number::UDP,
        (Form::SctpInit | Form::SctpCookie, _) => number::SCTP,
        (Form::Protocol, protocol) => protocol as u8,
        _ => number::TCP,
    }
}

/// The number a question's cookie is made with: queries of ICMP have no port, and a protocol's probe goes to a fixed one.
fn cookie_number(question: Question) -> u16 {
    match question.form {
        Form::Echo | Form::Timestamp | Form::Mask | Form::Neighbor => 0,
        Form::Protocol => match question.number as u8 {
            number::TCP | number::UDP | number::SCTP => crate::scan::probe::SELDOM,
            _ => 0,
        },
        _ => question.number,
    }
}
