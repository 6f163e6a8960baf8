//! The filter language of tcpdump: text to meaning, meaning to BPF.
//!
//! `docs/FILTERS.md` describes the language and names where it differs from pcap-filter(7). A filter is read once and compiled for
//! a kind of link as often as needed. On the way: `lexer` words, `parser` meaning (`ast`), `lower` decisions for one link
//! (`graph`), `threading` no decision twice, `emit` instructions. Never in here: names that must be looked up, the kernel's
//! ancillary data (VLAN tags are back in the bytes when our interpreter sees them).

mod address;
mod arithmetic;
mod ast;
mod emit;
mod error;
mod flow;
mod graph;
mod lexer;
mod lower;
mod names;
mod parser;
mod primitive;
mod threading;
mod union;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use super::bpf::{Instruction, MOST_INSTRUCTIONS, Program};
use crate::model::LinkType;
use crate::packet::FlowKey;
use ast::{Direction, Expr, Joint, Scope};
use error::Fault;
use graph::{Graph, NodeId};

pub use error::FilterError;

/// A condition on packets that can be compiled, joined and printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    expr: Expr,
}

impl Filter {
    /// Reads a filter. The empty text is [`Filter::everything`].
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let expr = parser::parse(text).map_err(|fault| fault.of(text))?;
        Ok(Filter { text: text.trim().to_owned(), expr })
    }

    /// Every packet; its text is empty.
    pub fn everything() -> Filter {
        Filter { text: String::new(), expr: Expr::Everything }
    }

    /// Packets that any of `filters` takes; without filters none. A filter that reads past the end of a packet only spoils
    /// itself, as if each were run by itself. The length the kernel has is the one it reads within; of packets cut by a
    /// capture, run the filters themselves.
    pub fn any_of(filters: &[&Filter]) -> Filter {
        if let [only] = filters {
            return (*only).clone();
        }
        let mut texts: Vec<String> = Vec::new();
        for filter in filters {
            let text = filter.in_parentheses();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let text = if texts.is_empty() { "not (len >= 0)".to_owned() } else { texts.join(" or ") };
        Filter { text, expr: union::union(filters.iter().map(|filter| &filter.expr)) }
    }

    /// Packets that both take. A `vlan` in one says nothing about where the other looks.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match (&self.expr, &other.expr) {
            (Expr::Everything, _) => other,
            (_, Expr::Everything) => self,
            _ => {
                let text = format!("{} and {}", self.in_parentheses(), other.in_parentheses());
                Filter { text, expr: self.expr.join(Joint::And, other.expr) }
            }
        }
    }

    /// Packets it does not take. One too short to tell is taken by neither.
    #[allow(clippy::should_implement_trait, reason = "reads like the word in the language")]
    #[must_use]
    pub fn not(self) -> Filter {
        Filter { text: format!("not {}", self.in_parentheses()), expr: self.expr.negate() }
    }

    /// Replies to a flow: its protocol from its remote address and port to its local port, the latter where it has ports. ICMP
    /// errors about it come from anybody; unite with `icmp or icmp6` for those.
    pub fn of_flow(key: &FlowKey) -> Filter {
        flow::of(key)
    }

    /// Packets from or to a host, ARP about it included.
    pub fn of_host(addr: IpAddr) -> Filter {
        Filter { text: format!("host {addr}"), expr: Expr::Test(flow::host(addr, Scope::All, Direction::Either)) }
    }

    /// The program for a kind of link. Fails where the link cannot have what is asked for, and where the program would be longer
    /// than the kernel takes; the message has its length, and the union of fewer or coarser filters may do.
    pub fn compile(&self, link: LinkType) -> Result<Program, FilterError> {
        self.instructions(link)
            .and_then(|code| Program::verify(code).map_err(|error| Fault::new(0, format!("not compiled: {error}"))))
            .map_err(|fault| fault.of(&self.text))
    }

    /// One of several ways to write the decisions down: the fastest that is not much longer than the plainest, so that the
    /// kernel's memory for filters is spared too.
    fn instructions(&self, link: LinkType) -> Result<Vec<Instruction>, Fault> {
        let too_complex = |_| Fault::new(0, "a comparison has more intermediate results than BPF has room for");
        let mut graph = Graph::new();
        let root = lower::lower(&mut graph, link, &self.expr)?;
        let mut shortest = emit::emit(&graph, root).map_err(too_complex)?;
        let enough = MOST_INSTRUCTIONS.min(shortest.len() + shortest.len() / 2);
        // With one variant a node is built once for what is known, and once for what is not.
        for variants in [usize::MAX, 8, 3, 1] {
            let Some((threaded, root)) = threaded(&graph, root, variants) else { continue };
            let code = emit::emit(&threaded, root).map_err(too_complex)?;
            if code.len() <= enough {
                return Ok(code);
            }
            if code.len() < shortest.len() {
                shortest = code;
            }
        }
        let length = shortest.len();
        if length > MOST_INSTRUCTIONS {
            let message = format!("the filter takes {length} instructions; the kernel takes {MOST_INSTRUCTIONS}");
            return Err(Fault::new(0, message));
        }
        Ok(shortest)
    }

    fn in_parentheses(&self) -> String {
        if self.text.is_empty() { "(len >= 0)".to_owned() } else { format!("({})", self.text) }
    }
}

impl fmt::Display for Filter {
    /// The text, which parses again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn threaded(graph: &Graph, root: NodeId, variants: usize) -> Option<(Graph, NodeId)> {
    let mut threaded = graph.without_nodes();
    // A node is an instruction at least, and a program twice as long is not wanted.
    let most = (2 * graph.reachable(root).len() + 32).min(MOST_INSTRUCTIONS);
    let root = threading::thread(graph, root, &mut threaded, variants, most)?;
    Some((threaded, root))
}
