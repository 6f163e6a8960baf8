//! Decisions on the way to a verdict, as a graph without loops.
//!
//! Values, tests and nodes are interned: what is equal exists once, so terms that end alike share their ends. A node is made after
//! those it leads to, so numbers fall along every way.

use std::collections::HashMap;
use std::hash::Hash;

/// Number of a value.
pub(super) type ValueId = usize;
/// Number of a test.
pub(super) type TestId = usize;
/// Number of a node.
pub(super) type NodeId = usize;

/// The node that rejects the packet.
pub(super) const REJECT: NodeId = 0;
/// The node that accepts it.
pub(super) const ACCEPT: NodeId = 1;

/// A number computed from the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Number(u32),
    /// Length on the wire.
    Length,
    /// `size` bytes at an offset.
    At {
        at: u32,
        size: u32,
    },
    /// `size` bytes at an offset from the value of an index.
    Indexed {
        index: ValueId,
        at: u32,
        size: u32,
    },
    /// Four times the low half of a byte: the length of an IPv4 header.
    HeaderLength {
        at: u32,
    },
    /// An arithmetic opcode and its operands.
    Binary(u16, ValueId, ValueId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    Equal,
    Above,
    AtLeast,
    AnyBit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    Number(u32),
    Value(ValueId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Test {
    pub value: ValueId,
    pub comparison: Comparison,
    pub operand: Operand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Return(bool),
    Branch { test: TestId, yes: NodeId, no: NodeId },
}

#[derive(Debug)]
pub(super) struct Graph {
    values: Interned<Value>,
    tests: Interned<Test>,
    nodes: Interned<Node>,
}

impl Graph {
    pub fn new() -> Graph {
        let mut nodes = Interned::default();
        // REJECT and ACCEPT are these.
        nodes.number(Node::Return(false));
        nodes.number(Node::Return(true));
        Graph { values: Interned::default(), tests: Interned::default(), nodes }
    }

    /// A graph without nodes, with the values and tests of this one under the same numbers.
    pub fn without_nodes(&self) -> Graph {
        Graph { values: self.values.clone(), tests: self.tests.clone(), ..Graph::new() }
    }

    pub fn value(&mut self, value: Value) -> ValueId {
        self.values.number(value)
    }

    pub fn test(&mut self, test: Test) -> TestId {
        self.tests.number(test)
    }

    pub fn branch(&mut self, test: TestId, yes: NodeId, no: NodeId) -> NodeId {
        self.nodes.number(Node::Branch { test, yes, no })
    }

    pub fn get_value(&self, id: ValueId) -> Value {
        self.values.get(id).unwrap_or(Value::Number(0))
    }

    pub fn get_test(&self, id: TestId) -> Option<Test> {
        self.tests.get(id)
    }

    /// A node; one that is not there rejects.
    pub fn get(&self, id: NodeId) -> Node {
        self.nodes.get(id).unwrap_or(Node::Return(false))
    }

    /// How many nodes were made.
    pub fn size(&self) -> usize {
        self.nodes.all.len()
    }

    /// Nodes that can be reached from `root`, in an order in which every one comes before those it leads to.
    pub fn reachable(&self, root: NodeId) -> Vec<NodeId> {
        let mut is_reached = vec![false; root + 1];
        let mut order = Vec::new();
        if let Some(first) = is_reached.last_mut() {
            *first = true;
        }
        for id in (0..=root).rev() {
            if !is_reached.get(id).copied().unwrap_or(false) {
                continue;
            }
            order.push(id);
            if let Node::Branch { yes, no, .. } = self.get(id) {
                for next in [yes, no] {
                    if let Some(place) = is_reached.get_mut(next) {
                        *place = true;
                    }
                }
            }
        }
        order
    }

    /// Whether computing a value can fail: it reads the packet or divides by something that may be zero.
    pub fn can_fail(&self, id: ValueId) -> bool {
        match self.get_value(id) {
            Value::Number(_) | Value::Length => false,
            Value::At { .. } | Value::Indexed { .. } | Value::HeaderLength { .. } => true,
            Value::Binary(code, left, right) => {
                super::lower::divides(code) && !matches!(self.get_value(right), Value::Number(_))
                    || self.can_fail(left)
                    || self.can_fail(right)
            }
        }
    }
}

/// Things that are equal have one number.
#[derive(Debug, Clone)]
struct Interned<T> {
    all: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Interned<T> {
    fn default() -> Interned<T> {
        Interned { all: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Copy + Eq + Hash> Interned<T> {
    fn number(&mut self, one: T) -> usize {
        *self.numbers.entry(one).or_insert_with(|| {
            self.all.push(one);
            self.all.len() - 1
        })
    }

    fn get(&self, number: usize) -> Option<T> {
        self.all.get(number).copied()
    }
}
