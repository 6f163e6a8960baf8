//! What a job asks its host, and what the answers make of it.

use std::rc::Rc;

use crate::model::{PortState, Reason, ScanKind};
use crate::packet::{Tcp, number};
use crate::scan::kind::{IcmpError, Reply};
use crate::scan::probe::{Form, Heard, Mark, Purpose, Question};

/// Questions to a host, all for one purpose.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Is it there?
    Discovery(Rc<Discovery>),
    /// In which state are these ports?
    Ports(Rc<PortPlan>),
}

/// The questions of a discovery, in the order they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// At least one.
    pub questions: Vec<Question>,
    /// `--discovery-ignore-rst`: a reset does not show that the host is there.
    pub ignore_reset: bool,
}

/// Ports by their place in the order they are asked in.
#[derive(Debug, Clone)]
pub struct PortPlan {
    /// How they are asked.
    pub kind: ScanKind,
    form: Form,
    ports: Vec<u16>,
    /// The place of each port.
    places: Vec<u32>,
    /// So many at the beginning keep their place on every host; the others begin somewhere else on each.
    pub fixed: usize,
}

/// Of a port that is not in the plan.
const NOWHERE: u32 = u32::MAX;

/// What an answer makes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The host is there, and why.
    Up(Reason),
    /// The question is answered, and says nothing about the host.
    Spent,
    /// The port's state, and why.
    Port(PortState, Reason),
}

impl PortPlan {
    /// Asks for `ports` in this order, the first `fixed` of them on every host.
    pub fn new(kind: ScanKind, flags: Option<u8>, ports: Vec<u16>, fixed: usize) -> PortPlan {
        let mut places = vec![NOWHERE; 1 << 16];
        for (place, port) in ports.iter().enumerate() {
            if let Some(entry) = places.get_mut(usize::from(*port)) {
                *entry = place as u32;
            }
        }
        PortPlan { kind, form: Form::of_scan(kind, flags), fixed: fixed.min(ports.len()), ports, places }
    }

    /// How many ports there are.
    pub fn count(&self) -> usize {
        self.ports.len()
    }

    /// The port at a place.
    pub fn port(&self, place: usize) -> u16 {
        self.ports.get(place).copied().unwrap_or_default()
    }

    fn place(&self, port: u16) -> Option<usize> {
        self.places.get(usize::from(port)).filter(|place| **place != NOWHERE).map(|place| *place as usize)
    }
}

impl Plan {
    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        match self {
            Plan::Discovery(_) => Purpose::Discovery,
            Plan::Ports(_) => Purpose::Ports,
        }
    }

    /// Whether it is the question for a neighbour.
    pub fn is_of_neighbor(&self) -> bool {
        self.question(0).form == Form::Neighbor
    }

    /// Which answers of its host concern it: those about probes of one IP protocol, or all (0).
    pub fn protocol(&self) -> u8 {
        match self {
            Plan::Discovery(_) => 0,
            Plan::Ports(plan) => match plan.form {
                Form::Tcp(_) => number::TCP,
                Form::Udp => number::UDP,
                Form::SctpInit | Form::SctpCookie => number::SCTP,
                _ => 0,
            },
        }
    }

    /// How many questions there are.
    pub fn count(&self) -> usize {
        match self {
            Plan::Discovery(plan) => plan.questions.len(),
            Plan::Ports(plan) => plan.ports.len(),
        }
    }

    /// The question at a place.
    pub fn question(&self, place: usize) -> Question {
        match self {
            Plan::Discovery(plan) => {
                plan.questions.get(place).copied().unwrap_or(Question { form: Form::Echo, number: 0 })
            }
            Plan::Ports(plan) => Question { form: plan.form, number: plan.port(place) },
        }
    }

    /// The `index`th question to be asked of a host, which begins `offset` places later than others where it may.
    pub fn nth(&self, index: usize, offset: usize) -> usize {
        let fixed = match self {
            Plan::Discovery(_) => return index,
            Plan::Ports(plan) => plan.fixed,
        };
        if index < fixed {
            return index;
        }
        fixed + (index - fixed + offset) % (self.count() - fixed).max(1)
    }

    /// The place of the question an answer is about, and what it makes of it; none if there is no such question, or it
    /// says nothing.
    pub fn judge(&self, heard: &Heard) -> Option<(usize, Finding)> {
        match self {
            Plan::Discovery(plan) => plan.judge(heard),
            Plan::Ports(plan) => plan.judge(heard),
        }
    }
}

impl PortPlan {
    fn judge(&self, heard: &Heard) -> Option<(usize, Finding)> {
        let wants_ack = |flags: u8| flags & Tcp::ACK != 0;
        let port = match (self.form, heard.mark) {
            (Form::Tcp(flags), Mark::Tcp(port, with_ack)) if with_ack.is_none_or(|ack| ack == wants_ack(flags)) => port,
            (Form::Udp, Mark::Udp(port)) | (Form::SctpInit | Form::SctpCookie, Mark::Sctp(port)) => port,
            (Form::Protocol, mark) => mark.protocol(heard.host)?.into(),
            _ => return None,
        };
        let reply = match heard.reply {
            error @ Reply::Icmp { .. } => error,
            _ if self.form == Form::Protocol => Reply::Protocol,
            reply => reply,
        };
        let (state, reason) = self.kind.judge(reply)?;
        Some((self.place(port)?, Finding::Port(state, reason)))
    }
}

impl Discovery {
    fn judge(&self, heard: &Heard) -> Option<(usize, Finding)> {
        let fits = |question: &Question| match (question.form, heard.mark) {
            (Form::Tcp(flags), Mark::Tcp(port, with_ack)) => {
                question.number == port && with_ack.is_none_or(|ack| ack == (flags & Tcp::ACK != 0))
            }
            (Form::Udp, Mark::Udp(port)) | (Form::SctpInit, Mark::Sctp(port)) => question.number == port,
            (form, Mark::Query(asked)) if form == asked => true,
            (Form::Protocol, mark) => mark.protocol(heard.host).is_some_and(|it| u16::from(it) == question.number),
            (Form::Neighbor, Mark::Neighbor) => true,
            _ => false,
        };
        let place = self.questions.iter().position(fits)?;
        Some((place, self.finding(heard)))
    }

    /// What an answer says about the host, whatever the question was.
    fn finding(&self, heard: &Heard) -> Finding {
        match heard.reply {
            Reply::Tcp { flags, .. } if flags & Tcp::RST != 0 && self.ignore_reset => Finding::Spent,
            Reply::Tcp { flags, .. } if flags & Tcp::RST != 0 => Finding::Up(Reason::Reset),
            Reply::Tcp { .. } => Finding::Up(Reason::SynAck),
            Reply::Udp => Finding::Up(Reason::UdpResponse),
            Reply::SctpInitAck => Finding::Up(Reason::InitAck),
            Reply::SctpAbort => Finding::Up(Reason::Abort),
            Reply::Protocol => Finding::Up(Reason::ProtoResponse),
            Reply::Query(14) => Finding::Up(Reason::TimestampReply),
            Reply::Query(18) => Finding::Up(Reason::AddressMaskReply),
            Reply::Query(_) => Finding::Up(Reason::EchoReply),
            Reply::Neighbor(_) if heard.host.is_ipv6() => Finding::Up(Reason::NdResponse),
            Reply::Neighbor(_) => Finding::Up(Reason::ArpResponse),
            // Only the host itself can say that there is nothing behind a port or a protocol of its own.
            Reply::Icmp { error: error @ (IcmpError::Port | IcmpError::Protocol), from_target: true } => {
                Finding::Up(error.reason())
            }
            Reply::Icmp { .. } => Finding::Spent,
        }
    }
}
