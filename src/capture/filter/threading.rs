//! Jump threading: what a test has shown decides later tests of the same value.
//!
//! Walks the graph from its root with the facts each way has established, steps over decided tests, and builds a graph in which
//! no way asks twice. A packet's verdict stays the same, too short ones included: a test is left out only after its value was
//! computed on the way, or if it cannot fail.

use std::collections::{HashMap, HashSet};

use super::graph::{Comparison, Graph, Node, NodeId, Operand, Test, TestId, Value, ValueId};

/// Most answers remembered on a way.
const MOST_ANSWERS: usize = 32;
/// Tests stepped over, for each node that may be built.
const STEPS: usize = 64;

/// What is known on a way, of values and tests that still matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Facts {
    /// Least and largest value, by value.
    ranges: Vec<(ValueId, u32, u32)>,
    /// Answers to tests that a range does not hold: bits, comparisons of two values, and what a value is not.
    answers: Vec<(TestId, bool)>,
}

pub(super) struct Threading<'a> {
    from: &'a Graph,
    root: NodeId,
    /// How many sets of facts a node may be built for, the empty one besides.
    variants: usize,
    /// By test and by value: the last node on any way that asks. Numbers fall along ways.
    last_test: HashMap<TestId, NodeId>,
    last_value: HashMap<ValueId, NodeId>,
    built: HashMap<(NodeId, Facts), NodeId>,
    seen: HashMap<NodeId, HashSet<Facts>>,
    /// Tests stepped over so far.
    steps: usize,
}

/// A node being built.
struct Frame {
    node: NodeId,
    test: TestId,
    facts: Facts,
    yes: Option<NodeId>,
    no: Option<NodeId>,
}

/// Builds the graph from `root` on anew in `into`, which has the same values and tests. None if it grows beyond `most` nodes.
pub(super) fn thread(from: &Graph, root: NodeId, into: &mut Graph, variants: usize, most: usize) -> Option<NodeId> {
    let mut threading = Threading {
        from,
        root,
        variants,
        last_test: HashMap::new(),
        last_value: HashMap::new(),
        built: HashMap::new(),
        seen: HashMap::new(),
        steps: 0,
    };
    threading.find_last();
    threading.build(into, most)
}

impl Threading<'_> {
    fn find_last(&mut self) {
        for id in self.from.reachable(self.root) {
            if let Node::Branch { test, .. } = self.from.get(id) {
                self.last_test.insert(test, id);
                if let Some(test) = self.from.get_test(test) {
                    self.last_value.insert(test.value, id);
                }
            }
        }
    }

    fn build(&mut self, into: &mut Graph, most: usize) -> Option<NodeId> {
        let mut stack: Vec<Frame> = Vec::new();
        // What the last finished node became.
        let mut done = self.enter(self.root, &Facts::default(), &mut stack);
        while let Some(mut frame) = stack.pop() {
            if let Some(node) = done.take() {
                if frame.yes.is_none() { frame.yes = Some(node) } else { frame.no = Some(node) }
            }
            let Node::Branch { yes, no, .. } = self.from.get(frame.node) else { continue };
            match (frame.yes, frame.no) {
                (Some(yes), Some(no)) => {
                    let needless = yes == no && self.from.get_test(frame.test).is_some_and(|test| !self.can_fail(test));
                    let node = if needless { yes } else { into.branch(frame.test, yes, no) };
                    // Nodes that come out alike, and tests that are stepped over, cost time as well.
                    if into.size() > most || self.built.len() > 4 * most || self.steps > STEPS * most {
                        return None;
                    }
                    self.built.insert((frame.node, frame.facts), node);
                    done = Some(node);
                }
                (to_yes, _) => {
                    let mut facts = frame.facts.clone();
                    let answer = to_yes.is_none();
                    self.learn(&mut facts, frame.test, answer);
                    stack.push(frame);
                    done = self.enter(if answer { yes } else { no }, &facts, &mut stack);
                }
            }
        }
        done
    }

    /// Steps over decided tests. Returns the node if it is built, and puts it on the stack otherwise.
    fn enter(&mut self, mut node: NodeId, facts: &Facts, stack: &mut Vec<Frame>) -> Option<NodeId> {
        loop {
            let Node::Branch { test, yes, no } = self.from.get(node) else { return Some(node) };
            self.steps += 1;
            if let Some(answer) = self.decided(facts, test) {
                node = if answer { yes } else { no };
                continue;
            }
            let facts = self.relevant(facts, node);
            if let Some(built) = self.built.get(&(node, facts.clone())) {
                return Some(*built);
            }
            stack.push(Frame { node, test, facts, yes: None, no: None });
            return None;
        }
    }

    /// Facts that some test from `node` on may ask for; none at all where the node has been built in too many ways.
    fn relevant(&mut self, facts: &Facts, node: NodeId) -> Facts {
        let last_test = |test: &TestId| self.last_test.get(test).is_some_and(|last| *last <= node);
        let last_value = |value: &ValueId| self.last_value.get(value).is_some_and(|last| *last <= node);
        let answers = facts.answers.iter().filter(|(test, _)| last_test(test));
        let facts = Facts {
            ranges: facts.ranges.iter().filter(|(value, ..)| last_value(value)).copied().collect(),
            answers: answers.take(MOST_ANSWERS).copied().collect(),
        };
        let seen = self.seen.entry(node).or_default();
        if seen.contains(&facts) || seen.len() < self.variants {
            seen.insert(facts.clone());
            return facts;
        }
        Facts::default()
    }

    fn can_fail(&self, test: Test) -> bool {
        self.from.can_fail(test.value) || matches!(test.operand, Operand::Value(value) if self.from.can_fail(value))
    }

    /// The answer to a test, if the facts tell.
    fn decided(&self, facts: &Facts, id: TestId) -> Option<bool> {
        if let Ok(at) = facts.answers.binary_search_by_key(&id, |(test, _)| *test) {
            return facts.answers.get(at).map(|(_, answer)| *answer);
        }
        let test = self.from.get_test(id)?;
        let (low, high) = if let Value::Number(number) = self.from.get_value(test.value) {
            (number, number)
        } else {
            let at = facts.ranges.binary_search_by_key(&test.value, |(value, ..)| *value).ok()?;
            facts.ranges.get(at).map(|(_, low, high)| (*low, *high))?
        };
        let Operand::Number(number) = test.operand else { return None };
        match test.comparison {
            Comparison::Equal if low == high => Some(low == number),
            Comparison::Equal if number < low || number > high => Some(false),
            Comparison::Above if low > number => Some(true),
            Comparison::Above if high <= number => Some(false),
            Comparison::AtLeast if low >= number => Some(true),
            Comparison::AtLeast if high < number => Some(false),
            Comparison::AnyBit if low == high => Some(low & number != 0),
            _ => None,
        }
    }

    fn learn(&self, facts: &mut Facts, id: TestId, answer: bool) {
        let Some(test) = self.from.get_test(id) else { return };
        let range = match (test.comparison, test.operand, answer) {
            (Comparison::Equal, Operand::Number(number), true) => Some((number, number)),
            (Comparison::Above, Operand::Number(number), true) => Some((number.saturating_add(1), u32::MAX)),
            (Comparison::Above, Operand::Number(number), false) => Some((0, number)),
            (Comparison::AtLeast, Operand::Number(number), true) => Some((number, u32::MAX)),
            (Comparison::AtLeast, Operand::Number(number), false) => Some((0, number.saturating_sub(1))),
            _ => None,
        };
        match range {
            Some((low, high)) => match facts.ranges.binary_search_by_key(&test.value, |(value, ..)| *value) {
                Ok(at) => {
                    if let Some((_, least, most)) = facts.ranges.get_mut(at) {
                        *least = low.max(*least);
                        *most = high.min(*most);
                    }
                }
                Err(at) => facts.ranges.insert(at, (test.value, low, high)),
            },
            None => {
                if let Err(at) = facts.answers.binary_search_by_key(&id, |(test, _)| *test) {
                    facts.answers.insert(at, (id, answer));
                }
            }
        }
    }
}
