//! Recording: a layer over the door that writes every conversation into one pcapng file.
//!
//! What the kernel did for us is written as the packets it must have been: handshakes, segments with right numbers and
//! checksums, ends; a refusal as a reset, an unreachable host as an ICMP error, silence as a SYN alone. What no packet
//! shows stands in comments ([`label`], [`header`]). Packets sent and captured raw go in as they are ([`packet_note`]).
//! `docs/RECORDING.md` describes the format.
//!
//! Changes nothing of what passes through, opens no file (the file comes in), and knows nothing of replays.

mod datagram;
pub mod header;
pub mod label;
mod listener;
pub mod packet_note;
mod packets;
mod redaction;
mod stream;
mod writer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

pub use header::Header;
pub use packets::{RecordedPackets, observer};
pub use redaction::{Redaction, SHORTEST};
pub use writer::Recorder;

use datagram::RecordedDatagram;
use label::Label;
use listener::RecordedListener;
use stream::Opening;

use super::{ConnectOptions, Datagram, Listener, NetFuture, Origin, Stream, Transport};
use crate::model::NetError;
use crate::packet::segment;

/// Another transport, recorded.
pub struct RecordedTransport {
    inner: Rc<dyn Transport>,
    recorder: Recorder,
}

impl RecordedTransport {
    /// Records everything that passes through `inner`.
    pub fn new(inner: Rc<dyn Transport>, recorder: Recorder) -> RecordedTransport {
        RecordedTransport { inner, recorder }
    }
}

impl Transport for RecordedTransport {
    fn connect(&self, peer: SocketAddr, options: ConnectOptions) -> NetFuture<Box<dyn Stream>> {
        let recorder = self.recorder.clone();
        let (bind, origin, abort) = (options.bind, options.origin.clone(), options.abort_on_close);
        let connecting = self.inner.connect(peer, options);
        Box::pin(async move {
            // Dropped half-way, it is written as what it was: nobody answered.
            let opening = Opening::new(recorder, peer, bind, origin);
            match connecting.await {
                Ok(stream) => Ok(Box::new(opening.connected(stream, abort)) as Box<dyn Stream>),
                Err(error) => {
                    opening.failed(&error);
                    Err(error)
                }
            }
        })
    }

    fn datagram(
        &self,
        bind: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        origin: Origin,
    ) -> NetFuture<Box<dyn Datagram>> {
        let recorder = self.recorder.clone();
        let opening = self.inner.datagram(bind, peer, origin.clone());
        Box::pin(async move {
            match opening.await {
                Ok(inner) => {
                    let recorded = RecordedDatagram::new(inner, recorder, peer, origin);
                    Ok(Box::new(recorded) as Box<dyn Datagram>)
                }
                Err(error) => {
                    let label = Label { any_peer: peer.is_none(), ..never_opened(&recorder, origin, &error) };
                    let subject = peer.or(bind).unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into());
                    note(&recorder, subject.ip(), &label);
                    Err(error)
                }
            }
        })
    }

    fn listen(&self, bind: SocketAddr, origin: Origin) -> NetFuture<Box<dyn Listener>> {
        let recorder = self.recorder.clone();
        let opening = self.inner.listen(bind, origin.clone());
        Box::pin(async move {
            match opening.await {
                Ok(inner) => Ok(Box::new(RecordedListener::new(inner, recorder, origin)) as Box<dyn Listener>),
                Err(error) => {
                    let label = Label { listen: Some(bind.port()), ..never_opened(&recorder, origin, &error) };
                    note(&recorder, bind.ip(), &label);
                    Err(error)
                }
            }
        })
    }
}

/// The label of something this machine refused to open.
fn never_opened(recorder: &Recorder, origin: Origin, error: &NetError) -> Label {
    Label {
        conversation: Some(recorder.next_conversation()),
        origin: Some(origin),
        error: Some((error.kind, error.detail.clone())),
        ..Label::default()
    }
}

/// Writes what never was a packet.
fn note(recorder: &Recorder, addr: IpAddr, label: &Label) {
    if let Some(packet) = segment::note(addr) {
        recorder.packet(recorder.now(), &packet, label);
    }
}

/// Our end of a conversation, where the kernel did not tell: on loopback it is the peer's own address.
fn local_end(peer: SocketAddr, bind: Option<SocketAddr>, number: u64) -> SocketAddr {
    let hidden: IpAddr = match peer.ip() {
        addr if addr.is_loopback() => addr,
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let ephemeral = 49_152 + (number % 16_384) as u16; // RFC 6335: the dynamic ports
    match bind.filter(|bind| bind.is_ipv4() == peer.is_ipv4()) {
        None => SocketAddr::new(hidden, ephemeral),
        Some(bind) => SocketAddr::new(bind.ip(), if bind.port() == 0 { ephemeral } else { bind.port() }),
    }
}

#[cfg(test)]
mod tests;
