//! Datagrams as the packets they were.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

use super::label::Label;
use super::{Recorder, note};
use crate::model::NetError;
use crate::net::{Datagram, LocalNetFuture, Origin};
use crate::packet::segment::{self, Unreachable};

/// A datagram socket whose datagrams are written down.
pub(super) struct RecordedDatagram {
    inner: Box<dyn Datagram>,
    recorder: Recorder,
    peer: Option<SocketAddr>,
    /// Its own end, in the family of its packets.
    local: SocketAddr,
    origin: Origin,
    /// Once something was written.
    number: Cell<Option<u64>>,
    /// The last datagram sent, to be quoted by errors.
    last: RefCell<Option<(SocketAddr, Vec<u8>)>>,
}

impl RecordedDatagram {
    pub fn new(
        inner: Box<dyn Datagram>,
        recorder: Recorder,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> RecordedDatagram {
        let local = inner.local();
        RecordedDatagram { inner, recorder, peer, local, origin, number: Cell::new(None), last: RefCell::default() }
    }

    /// What the next packet has to tell: the first opens the conversation.
    fn label(&self, inbound: bool) -> Label {
        if self.number.get().is_some() {
            return Label::default();
        }
        let number = self.recorder.next_conversation();
        self.number.set(Some(number));
        Label {
            conversation: Some(number),
            origin: Some(self.origin.clone()),
            any_peer: self.peer.is_none(),
            inbound,
            ..Label::default()
        }
    }

    fn write(&self, source: SocketAddr, destination: SocketAddr, data: &[u8]) -> Option<Vec<u8>> {
        let packet = segment::udp(source, destination, &self.recorder.shown(data))?;
        self.recorder.packet(self.recorder.now(), &packet, &self.label(source != self.local));
        Some(packet)
    }

    fn failed(&self, error: &NetError) {
        let what = Unreachable::of(error.kind).filter(|_| error.detail.is_empty());
        let last = self.last.borrow();
        let packet = match (what, last.as_ref()) {
            (Some(what), Some((peer, quoted))) => segment::unreachable(peer.ip(), self.local.ip(), what, quoted),
            _ => None,
        };
        let mut label = self.label(false);
        if let Some(packet) = packet {
            return self.recorder.packet(self.recorder.now(), &packet, &label);
        }
        label.conversation = self.number.get();
        label.error = Some((error.kind, error.detail.clone()));
        note(&self.recorder, self.peer.unwrap_or(self.local).ip(), &label);
    }
}

impl Datagram for RecordedDatagram {
    fn send<'a>(&'a self, data: &'a [u8], peer: Option<SocketAddr>) -> LocalNetFuture<'a, usize> {
        Box::pin(async move {
            match self.inner.send(data, peer).await {
                Ok(sent) => {
                    if let Some(peer) = self.peer.or(peer)
                        && let Some(packet) = self.write(self.local, peer, data)
                    {
                        *self.last.borrow_mut() = Some((peer, packet));
                    }
                    Ok(sent)
                }
                Err(error) => {
                    self.failed(&error);
                    Err(error)
                }
            }
        })
    }

    fn receive(&self) -> LocalNetFuture<'_, (Vec<u8>, SocketAddr)> {
        Box::pin(async move {
            match self.inner.receive().await {
                Ok((data, from)) => {
                    self.write(from, self.local, &data);
                    Ok((data, from))
                }
                Err(error) => {
                    self.failed(&error);
                    Err(error)
                }
            }
        })
    }

    fn local(&self) -> SocketAddr {
        self.inner.local()
    }
}
