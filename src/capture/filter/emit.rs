//! Decisions to instructions.
//!
//! A value that every way to a node has left in a register is not computed again. Instructions are laid out from the last to
//! the first: all jumps go forward, so the distance of each is known when it is written, and one that is too far for a
//! conditional jump gets a trampoline right behind it, which later jumps (earlier in the program) use too.

use std::collections::HashMap;

use super::graph::{Comparison, Graph, Node, NodeId, Operand, Test, Value, ValueId};
use crate::capture::bpf::{Instruction, KEEP, opcode};

/// Farthest a conditional jump goes.
const FARTHEST: usize = 255;

/// An expression needs more intermediate results than there are cells.
#[derive(Debug)]
pub(super) struct TooComplex;

/// What is in the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Registers {
    a: Option<ValueId>,
    x: Option<ValueId>,
}

impl Registers {
    /// What is there whichever of two ways was taken.
    fn meet(self, other: Registers) -> Registers {
        Registers { a: self.a.filter(|a| other.a == Some(*a)), x: self.x.filter(|x| other.x == Some(*x)) }
    }
}

/// The instructions that make the decisions from `root` on.
pub(super) fn emit(graph: &Graph, root: NodeId) -> Result<Vec<Instruction>, TooComplex> {
    let order = graph.reachable(root);
    let mut entering: HashMap<NodeId, Registers> = HashMap::from([(root, Registers::default())]);
    let mut bodies = Vec::with_capacity(order.len());
    for id in &order {
        let Node::Branch { test, yes, no } = graph.get(*id) else { continue };
        let Some(test) = graph.get_test(test) else { continue };
        let registers = entering.get(id).copied().unwrap_or_default();
        let mut body = Body { graph, registers, code: Vec::new() };
        body.operands(test)?;
        for next in [yes, no] {
            let met = entering.get(&next).map_or(body.registers, |other| other.meet(body.registers));
            entering.insert(next, met);
        }
        bodies.push((*id, test, body.code));
    }
    let mut layout = Layout::default();
    for id in order.iter().rev() {
        if let Node::Return(accepts) = graph.get(*id) {
            layout.place(*id, ret(accepts));
        }
    }
    for (id, test, code) in bodies.into_iter().rev() {
        if let Node::Branch { yes, no, .. } = graph.get(id) {
            layout.branch(graph, jump(test), yes, no);
            layout.reversed.extend(code.into_iter().rev());
            layout.nearest.insert(id, layout.reversed.len() - 1);
        }
    }
    layout.reversed.reverse();
    Ok(layout.reversed)
}

fn ret(accepts: bool) -> Instruction {
    Instruction::plain(opcode::RET_K, if accepts { KEEP } else { 0 })
}

fn jump(test: Test) -> Instruction {
    let code = match test.comparison {
        Comparison::Equal => opcode::JEQ,
        Comparison::Above => opcode::JGT,
        Comparison::AtLeast => opcode::JGE,
        Comparison::AnyBit => opcode::JSET,
    };
    match test.operand {
        Operand::Number(k) => Instruction::plain(code, k),
        Operand::Value(_) => Instruction::plain(code | opcode::FROM_X, 0),
    }
}

/// The program from its end on.
#[derive(Default)]
struct Layout {
    reversed: Vec<Instruction>,
    /// The nearest instruction so far that leads to a node, counted from the end.
    nearest: HashMap<NodeId, usize>,
}

impl Layout {
    fn place(&mut self, node: NodeId, instruction: Instruction) {
        self.nearest.insert(node, self.reversed.len());
        self.reversed.push(instruction);
    }

    /// Instructions between the next one to be laid out and what leads to `node`.
    fn distance(&self, node: NodeId) -> usize {
        self.reversed.len().saturating_sub(self.nearest.get(&node).map_or(0, |at| at + 1))
    }

    fn branch(&mut self, graph: &Graph, jump: Instruction, yes: NodeId, no: NodeId) {
        // A trampoline moves the jump away from the other target by one: twice is enough.
        for target in [yes, no, yes] {
            if self.distance(target) > FARTHEST {
                let trampoline = match graph.get(target) {
                    Node::Return(accepts) => ret(accepts),
                    Node::Branch { .. } => Instruction::plain(opcode::JA, self.distance(target) as u32),
                };
                self.place(target, trampoline);
            }
        }
        let short = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
        let (jt, jf) = (short(self.distance(yes)), short(self.distance(no)));
        self.reversed.push(Instruction { jt, jf, ..jump });
    }
}

/// The instructions that bring a test's operands into the registers.
struct Body<'a> {
    graph: &'a Graph,
    registers: Registers,
    code: Vec<Instruction>,
}

impl Body<'_> {
    fn put(&mut self, code: u16, k: u32) {
        self.code.push(Instruction::plain(code, k));
    }

    fn operands(&mut self, test: Test) -> Result<(), TooComplex> {
        match test.operand {
            Operand::Number(_) => self.a(test.value, 0),
            Operand::Value(operand) => self.both(test.value, operand, 0),
        }
    }

    /// `left` into A and `right` into X.
    fn both(&mut self, left: ValueId, right: ValueId, cell: u32) -> Result<(), TooComplex> {
        if self.goes_straight_to_x(right) {
            self.a(left, cell)?;
            return self.x(right, cell);
        }
        if self.leaves_x_alone(left) {
            self.x(right, cell)?;
            return self.a(left, cell);
        }
        if cell >= opcode::CELLS {
            return Err(TooComplex);
        }
        self.a(right, cell)?;
        self.put(opcode::ST, cell);
        self.a(left, cell + 1)?;
        self.put(opcode::LDX_MEM, cell);
        self.registers.x = Some(right);
        Ok(())
    }

    /// Whether it is loaded into X without passing through A.
    fn goes_straight_to_x(&self, value: ValueId) -> bool {
        matches!(self.graph.get_value(value), Value::Number(_) | Value::Length | Value::HeaderLength { .. })
    }

    /// Whether it is loaded into A without passing through X.
    fn leaves_x_alone(&self, value: ValueId) -> bool {
        match self.graph.get_value(value) {
            Value::Number(_) | Value::Length | Value::At { .. } => true,
            Value::Indexed { .. } | Value::HeaderLength { .. } => false,
            Value::Binary(_, left, right) => {
                matches!(self.graph.get_value(right), Value::Number(_)) && self.leaves_x_alone(left)
            }
        }
    }

    fn a(&mut self, value: ValueId, cell: u32) -> Result<(), TooComplex> {
        if self.registers.a == Some(value) {
            return Ok(());
        }
        match self.graph.get_value(value) {
            Value::Number(number) => self.put(opcode::LD_IMM, number),
            Value::Length => self.put(opcode::LD_LEN, 0),
            Value::At { at, size } => {
                self.put(by_size(size, [opcode::LD_B_ABS, opcode::LD_H_ABS, opcode::LD_W_ABS]), at);
            }
            Value::HeaderLength { .. } => {
                self.x(value, cell)?;
                self.put(opcode::TXA, 0);
            }
            Value::Indexed { index, at, size } => {
                self.x(index, cell)?;
                self.put(by_size(size, [opcode::LD_B_IND, opcode::LD_H_IND, opcode::LD_W_IND]), at);
            }
            Value::Binary(code, left, right) => {
                if let Value::Number(number) = self.graph.get_value(right) {
                    self.a(left, cell)?;
                    self.put(code, number);
                } else {
                    self.both(left, right, cell)?;
                    self.put(code | opcode::FROM_X, 0);
                }
            }
        }
        self.registers.a = Some(value);
        Ok(())
    }

    fn x(&mut self, value: ValueId, cell: u32) -> Result<(), TooComplex> {
        if self.registers.x == Some(value) {
            return Ok(());
        }
        match self.graph.get_value(value) {
            Value::Number(number) => self.put(opcode::LDX_IMM, number),
            Value::Length => self.put(opcode::LDX_LEN, 0),
            Value::HeaderLength { at } => self.put(opcode::LDX_MSH, at),
            _ => {
                self.a(value, cell)?;
                self.put(opcode::TAX, 0);
            }
        }
        self.registers.x = Some(value);
        Ok(())
    }
}

/// The opcode for 1, 2 or 4 bytes.
fn by_size(size: u32, [byte, half, word]: [u16; 3]) -> u16 {
    match size {
        1 => byte,
        2 => half,
        _ => word,
    }
}
