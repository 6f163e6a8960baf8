//! Probes as bytes: one template for each form, source and payload; each probe fills in the rest.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use super::{Form, Question};
use crate::packet::{
    Chunk, ChunkBody, Icmpv4, Icmpv4Body, Icmpv6, Icmpv6Body, Init, Ipv4, Ipv6, Layer, Packet, Sctp, Tcp, TcpOption,
    Template, Udp, number,
};
use crate::runtime::QuickMap;
use crate::scan::payloads::payloads;

/// Templates kept; enough for every form from every address of a machine.
const KEPT: usize = 4096;
/// Ports the probes of protocols with ports are sent to in a scan of protocols: ones that are seldom taken.
pub const SELDOM: u16 = 40_125;

/// How probes are to look, as far as the user changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// `--ttl`.
    pub ttl: Option<u8>,
    /// `--data-length`: bytes behind the headers.
    pub data_length: u16,
    /// `--badsum`: wrong checksums of TCP, UDP, SCTP and ICMP.
    pub bad_sum: bool,
}

/// Where a probe goes, and what tells it from others.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    /// From.
    pub source: IpAddr,
    /// To.
    pub to: IpAddr,
    /// Our port.
    pub local_port: u16,
    /// The number that proves an answer.
    pub cookie: u32,
    /// Which try it is; the hop, where the purpose is the route.
    pub number: u8,
    /// Hops it lives, where that is not as usual.
    pub ttl: Option<u8>,
}

/// Writes probes.
pub struct Forms {
    look: Look,
    known: QuickMap<Key, Option<Rc<Template>>>,
}

/// What a template depends on; the last is which of the payloads.
type Key = (IpAddr, Form, u16, Option<u8>, usize);

impl Forms {
    /// Probes that look like this.
    pub fn new(look: Look) -> Forms {
        Forms { look, known: QuickMap::default() }
    }

    /// Writes the packets of one probe, most often one. None where the form does not exist in the family of the address.
    pub fn write(&mut self, question: Question, at: &Address, mut out: impl FnMut(Rc<[u8]>)) -> bool {
        let variants = if question.form == Form::Udp { payloads(question.number).len().max(1) } else { 1 };
        let (words, count) = blanks(question, at);
        let mut written = false;
        for variant in 0..variants {
            let Some(template) = self.template(question, at, variant) else { continue };
            let id = (at.cookie >> 16) as u16 ^ (at.cookie as u16).rotate_left(u32::from(at.number));
            if let Some(packet) = template.instance(at.to, id, words.get(..count).unwrap_or_default()) {
                written = true;
                out(packet);
            }
        }
        written
    }

    fn template(&mut self, question: Question, at: &Address, variant: usize) -> Option<Rc<Template>> {
        let number = if matches!(question.form, Form::Udp | Form::Protocol) { question.number } else { 0 };
        let ttl = at.ttl.or(self.look.ttl);
        let key = (at.source, question.form, number, ttl, variant);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        let template =
            self.layers(question, at.source, ttl, variant).and_then(|layers| Template::new(&Packet::new(layers)));
        let template = if self.look.bad_sum { template.map(Template::with_bad_sum) } else { template };
        let template = template.map(Rc::new);
        self.known.insert(key, template.clone());
        template
    }

    fn layers(&self, question: Question, source: IpAddr, ttl: Option<u8>, variant: usize) -> Option<Vec<Layer>> {
        let is_v6 = source.is_ipv6();
        let (message, protocol) = if question.form == Form::Protocol {
            let number = question.number as u8;
            let form = of_protocol(number, is_v6);
            (form.and_then(|form| message(form, is_v6)), Some(number))
        } else {
            (Some(message(question.form, is_v6)?), None)
        };
        let ttl = ttl.unwrap_or(64);
        let ip: Layer = match source {
            IpAddr::V4(source) => Ipv4 { ttl, protocol, source, ..Ipv4::default() }.into(),
            IpAddr::V6(source) => Ipv6 { source, hop_limit: ttl, next_header: protocol, ..Ipv6::default() }.into(),
        };
        let mut data = match question.form {
            Form::Udp => payloads(question.number).get(variant).map(|data| data.to_vec()).unwrap_or_default(),
            _ => Vec::new(),
        };
        if data.is_empty() {
            data.resize(self.look.data_length.into(), 0);
        }
        let data = (!data.is_empty()).then_some(Layer::Payload(data));
        Some([ip].into_iter().chain(message).chain(data).collect())
    }
}

/// The layer behind the IP header, with blanks; none where the form does not exist in the family.
fn message(form: Form, is_v6: bool) -> Option<Layer> {
    Some(match form {
        Form::Tcp(flags) => tcp(flags),
        Form::Udp => Udp::default().into(),
        Form::SctpInit => sctp(ChunkBody::Init(init())),
        Form::SctpCookie => sctp(ChunkBody::CookieEcho(vec![0; 4])),
        Form::Echo if is_v6 => Icmpv6::new(128, 0, Icmpv6Body::Echo { id: 0, sequence: 0 }).into(),
        Form::Echo => Icmpv4::new(8, 0, Icmpv4Body::Echo { id: 0, sequence: 0 }).into(),
        Form::Timestamp if !is_v6 => {
            let body = Icmpv4Body::Timestamp { id: 0, sequence: 0, originate: 0, receive: 0, transmit: 0 };
            Icmpv4::new(13, 0, body).into()
        }
        Form::Mask if !is_v6 => {
            Icmpv4::new(17, 0, Icmpv4Body::Mask { id: 0, sequence: 0, mask: Ipv4Addr::UNSPECIFIED }).into()
        }
        Form::Timestamp | Form::Mask | Form::Neighbor | Form::Protocol => return None,
    })
}

/// The form a host expects behind the IP header of a protocol; nothing of those a scanner has no use for, nor of the other
/// family's ICMP.
fn of_protocol(number: u8, is_v6: bool) -> Option<Form> {
    match number {
        number::ICMP if !is_v6 => Some(Form::Echo),
        number::ICMPV6 if is_v6 => Some(Form::Echo),
        number::TCP => Some(Form::Tcp(Tcp::ACK)),
        number::UDP => Some(Form::Udp),
        number::SCTP => Some(Form::SctpInit),
        _ => None,
    }
}

/// A SYN offers everything: what comes back then tells the most about the stack that sent it.
fn tcp(flags: u8) -> Layer {
    let is_syn = flags & Tcp::SYN != 0 && flags & Tcp::ACK == 0;
    let options = vec![
        TcpOption::Mss(1460),
        TcpOption::SackPermitted,
        TcpOption::Timestamps { value: 1, echo: 0 },
        TcpOption::Nop,
        TcpOption::WindowScale(7),
    ];
    let (window, options) = if is_syn { (64_240, options) } else { (1024, Vec::new()) };
    Tcp { flags, window, options, ..Tcp::default() }.into()
}

fn sctp(body: ChunkBody) -> Layer {
    Sctp { chunks: vec![Chunk::new(body)], ..Sctp::default() }.into()
}

fn init() -> Init {
    Init { window: 32_768, outbound: 10, inbound: 2048, ..Init::default() }
}

/// What is filled in: offset in the message and word.
fn blanks(question: Question, at: &Address) -> ([(usize, u16); 6], usize) {
    let (high, low) = ((at.cookie >> 16) as u16, at.cookie as u16);
    let mut words = [(0, at.local_port), (2, question.number), (0, 0), (0, 0), (0, 0), (0, 0)];
    let mut form = question.form;
    if form == Form::Protocol {
        words[1].1 = SELDOM;
        match of_protocol(question.number as u8, at.to.is_ipv6()) {
            Some(spoken) => form = spoken,
            None => return (words, 0),
        }
    }
    match form {
        Form::Tcp(flags) => {
            words[2..4].copy_from_slice(&[(4, high), (6, low)]);
            words[4..6].copy_from_slice(&[(8, high), (10, low)]);
            (words, if flags & Tcp::ACK == 0 { 4 } else { 6 })
        }
        Form::Udp | Form::Protocol | Form::Neighbor => (words, 2),
        // The initiate tag comes back as the verification tag; 0 is not allowed in it.
        Form::SctpInit => {
            words[2..4].copy_from_slice(&[(16, high), (18, low | 1)]);
            words[4..6].copy_from_slice(&[(28, high), (30, low)]); // first sequence number
            (words, 6)
        }
        Form::SctpCookie => {
            words[2..4].copy_from_slice(&[(4, high), (6, low | 1)]);
            (words, 4)
        }
        Form::Echo | Form::Timestamp | Form::Mask => {
            words[0] = (4, high);
            words[1] = (6, low << 5 | u16::from(at.number & 31));
            (words, 2)
        }
    }
}
