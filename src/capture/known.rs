//! Filters by meaning: what a thousand scripts ask for in the same words is compiled once.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Filter, FilterError, Frame, bpf};
use crate::model::LinkType;

/// Filters kept though nobody uses them now: the next script will.
const MOST_UNUSED: usize = 256;

/// A filter and what it was compiled to.
pub(super) struct KnownFilter {
    /// Tells it from all others of the dispatcher.
    pub(super) id: u64,
    pub(super) filter: Rc<Filter>,
    /// For Ethernet, and for links without header. None where it makes no sense.
    programs: [OnceCell<Option<bpf::Program>>; 2],
}

impl KnownFilter {
    /// Whether it lets `frame` pass. A filter that makes no sense on a link lets nothing pass there.
    pub(super) fn passes(&self, frame: &Frame<'_>) -> bool {
        self.program(frame.link).is_some_and(|program| program.run(frame.bytes, frame.wire_len) > 0)
    }

    /// An error where it makes no sense.
    pub(super) fn check(&self, link: LinkType) -> Result<(), FilterError> {
        match self.program(link) {
            Some(_) => Ok(()),
            None => self.filter.compile(link).map(drop),
        }
    }

    fn program(&self, link: LinkType) -> Option<&bpf::Program> {
        let place = match link {
            LinkType::Ethernet => &self.programs[0],
            LinkType::Ip => &self.programs[1],
        };
        place.get_or_init(|| self.filter.compile(link).ok()).as_ref()
    }
}

/// All filters in use, and some that were.
#[derive(Default)]
pub(super) struct Filters {
    by_text: HashMap<String, Vec<Rc<KnownFilter>>>,
    next_id: u64,
}

impl Filters {
    /// The one known filter that is equal to `filter`.
    pub(super) fn know(&mut self, filter: &Rc<Filter>) -> Rc<KnownFilter> {
        let text = filter.to_string();
        // The same words can mean two things once filters were joined.
        let same = self.by_text.get(&text).and_then(|list| list.iter().find(|known| known.filter == *filter));
        if let Some(known) = same {
            return Rc::clone(known);
        }
        if self.by_text.len() >= MOST_UNUSED {
            self.by_text.retain(|_, list| list.iter().any(|known| Rc::strong_count(known) > 1));
        }
        let known = KnownFilter { id: self.next_id, filter: Rc::clone(filter), programs: Default::default() };
        self.next_id += 1;
        let known = Rc::new(known);
        self.by_text.entry(text).or_default().push(Rc::clone(&known));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_filters_are_one_and_unused_ones_do_not_pile_up() {
        let mut filters = Filters::default();
        let parse = |text: &str| Rc::new(Filter::parse(text).expect("a filter"));
        let used = filters.know(&parse("tcp port 1"));
        for port in 2..2000 {
            filters.know(&parse(&format!("tcp port {port}")));
        }
        assert!(Rc::ptr_eq(&used, &filters.know(&parse("tcp port 1"))));
        assert!(filters.by_text.len() <= MOST_UNUSED, "{}", filters.by_text.len());
        assert!(used.check(LinkType::Ip).is_ok());
        let ethernet = filters.know(&parse("ether src 02:00:00:00:00:01"));
        assert!(ethernet.check(LinkType::Ip).is_err() && ethernet.check(LinkType::Ethernet).is_ok());
    }
}
