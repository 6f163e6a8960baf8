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
    /// Who is on the way to it?
    Route(RoutePlan),
}

/// The questions of a discovery, in the order they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// At least one.
    pub questions: Vec<Question>,
    /// `--discovery-ignore-rst`: a reset does not show that the host is there.
    pub ignore_reset: bool,
}

/// One question with rising hop limits, so that each router on the way has to throw one away and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutePlan {
    /// What is asked; best what the host is known to answer.
    pub question: Question,
    /// The lowest hop limit, from 1.
    pub first: u8,
    /// The highest, at most [`MOST_HOPS`].
    pub last: u8,
}

/// The farthest hop that is asked for: it has to go into five bits of a query's sequence number.
pub const MOST_HOPS: u8 = 30;

/// Ports by their place in the order they are asked in.
#[derive(Debug, Clone)]
pub struct PortPlan {
    /// How they are asked.
    pub kind: ScanKind,
    form: Form,
    ports: Vec<u16>,
    /// The place of each port.
    places: Vec<u32>,
    /// The places of all ports, those of lower ports first.
    ascending: Vec<u32>,
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
    /// Somebody on the way, or at its end.
    Hop {
        /// No hop beyond would say anything else.
        is_last: bool,
    },
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
        let ascending = places.iter().copied().filter(|place| *place != NOWHERE).collect();
        PortPlan { kind, form: Form::of_scan(kind, flags), fixed: fixed.min(ports.len()), ports, places, ascending }
    }

    /// What its probes look like.
    pub fn form(&self) -> Form {
        self.form
    }

    /// How many ports there are.
    pub fn count(&self) -> usize {
        self.ports.len()
    }

    /// The places of all ports, those of lower ports first.
    pub fn ascending(&self) -> impl Iterator<Item = usize> {
        self.ascending.iter().map(|place| *place as usize)
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
            Plan::Route(_) => Purpose::Route,
        }
    }

    /// Whether it is the question for a neighbour.
    pub fn is_of_neighbor(&self) -> bool {
        self.question(0).form == Form::Neighbor
    }

    /// Which answers of its host concern it: those about probes of one IP protocol, or all (0).
    pub fn protocol(&self) -> u8 {
        match self {
            Plan::Discovery(_) | Plan::Route(_) => 0,
            Plan::Ports(plan) => match plan.form {
                Form::Tcp(_) => number::TCP,
                Form::Udp => number::UDP,
                Form::SctpInit | Form::SctpCookie => number::SCTP,
                _ => 0,
            },
        }
    }

    /// Whether datagrams are sent to ports, whose closed ones answer with ICMP errors.
    pub fn is_udp(&self) -> bool {
        self.protocol() == number::UDP
    }

    /// How many questions there are.
    pub fn count(&self) -> usize {
        match self {
            Plan::Discovery(plan) => plan.questions.len(),
            Plan::Ports(plan) => plan.ports.len(),
            Plan::Route(plan) => usize::from((plan.last + 1).saturating_sub(plan.first)),
        }
    }

    /// The question at a place.
    pub fn question(&self, place: usize) -> Question {
        match self {
            Plan::Discovery(plan) => {
                plan.questions.get(place).copied().unwrap_or(Question { form: Form::Echo, number: 0 })
            }
            Plan::Ports(plan) => Question { form: plan.form, number: plan.port(place) },
            Plan::Route(plan) => plan.question,
        }
    }

    /// The hop limit of the question at a place, where that is what is asked for.
    pub fn hop(&self, place: usize) -> Option<u8> {
        match self {
            Plan::Route(plan) => u8::try_from(place).ok().and_then(|place| plan.first.checked_add(place)),
            _ => None,
        }
    }

    /// The `index`th question to be asked of a host, which begins `offset` places later than others where it may.
    pub fn nth(&self, index: usize, offset: usize) -> usize {
        let fixed = match self {
            Plan::Discovery(_) | Plan::Route(_) => return index,
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
            Plan::Route(plan) => plan.judge(heard),
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

impl RoutePlan {
    fn judge(self, heard: &Heard) -> Option<(usize, Finding)> {
        let hop = heard.number.filter(|hop| (self.first..=self.last).contains(hop) && fits(self.question, heard))?;
        // A router that says that the host cannot be reached says so of whatever comes after as well.
        let is_on_the_way = matches!(heard.reply, Reply::Icmp { error: IcmpError::TimeExceeded, from_target: false });
        Some((usize::from(hop - self.first), Finding::Hop { is_last: !is_on_the_way }))
    }
}

/// Whether an answer is one to `question`.
fn fits(question: Question, heard: &Heard) -> bool {
    match (question.form, heard.mark) {
        (Form::Tcp(flags), Mark::Tcp(port, with_ack)) => {
            question.number == port && with_ack.is_none_or(|ack| ack == (flags & Tcp::ACK != 0))
        }
        (Form::Udp, Mark::Udp(port)) | (Form::SctpInit, Mark::Sctp(port)) => question.number == port,
        (form, Mark::Query(asked)) if form == asked => true,
        (Form::Protocol, mark) => mark.protocol(heard.host).is_some_and(|it| u16::from(it) == question.number),
        (Form::Neighbor, Mark::Neighbor) => true,
        _ => false,
    }
}

impl Discovery {
    fn judge(&self, heard: &Heard) -> Option<(usize, Finding)> {
        let place = self.questions.iter().position(|question| fits(*question, heard))?;
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
