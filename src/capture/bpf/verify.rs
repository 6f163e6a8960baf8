//! The rules a socket filter must pass in the kernel (`bpf_check_classic` and `sk_attach_filter`), and one stricter: no ancillary
//! data, which only the kernel has.

use std::fmt;

use super::opcode::{
    ADD, AND, CELLS, DIV, FROM_X, JA, JEQ, JGE, JGT, JSET, LD_B_ABS, LD_B_IND, LD_H_ABS, LD_H_IND, LD_IMM, LD_LEN,
    LD_MEM, LD_W_ABS, LD_W_IND, LDX_IMM, LDX_LEN, LDX_MEM, LDX_MSH, LSH, MOD, MUL, NEG, OR, RET_A, RET_K, RSH, ST, STX,
    SUB, TAX, TXA, XOR,
};
use super::{Instruction, MOST_INSTRUCTIONS};

/// Why instructions are no program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyError {
    /// None at all, or more than [`MOST_INSTRUCTIONS`].
    Length(usize),
    /// No such opcode; with the instruction's index, as in all that follow.
    Opcode(usize, u16),
    /// A division by the constant zero.
    DivisionByZero(usize),
    /// A shift by 32 bits or more.
    Shift(usize, u32),
    /// A scratch cell that is not there.
    Cell(usize, u32),
    /// A scratch cell is read that nothing was written to on some way here.
    Unwritten(usize, u32),
    /// A jump past the end.
    Jump(usize),
    /// An offset that is negative to the kernel: ancillary data, or relative to a header.
    Offset(usize, u32),
    /// The last instruction does not return.
    NoReturn,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Length(length) => write!(f, "{length} instructions; a program has 1 to {MOST_INSTRUCTIONS}"),
            VerifyError::Opcode(at, code) => write!(f, "instruction {at}: no opcode is {code:#x}"),
            VerifyError::DivisionByZero(at) => write!(f, "instruction {at} divides by zero"),
            VerifyError::Shift(at, by) => write!(f, "instruction {at} shifts by {by} bits; 31 are the most"),
            VerifyError::Cell(at, cell) => write!(f, "instruction {at} uses M[{cell}]; there are {CELLS}"),
            VerifyError::Unwritten(at, cell) => write!(f, "instruction {at} reads M[{cell}] before it is written"),
            VerifyError::Jump(at) => write!(f, "instruction {at} jumps past the end"),
            VerifyError::Offset(at, offset) => {
                write!(f, "instruction {at} reads at {offset:#x}, which is not in a packet")
            }
            VerifyError::NoReturn => f.write_str("the last instruction does not return"),
        }
    }
}

impl std::error::Error for VerifyError {}

pub(super) fn check(instructions: &[Instruction]) -> Result<(), VerifyError> {
    let length = instructions.len();
    if length == 0 || length > MOST_INSTRUCTIONS {
        return Err(VerifyError::Length(length));
    }
    for (at, one) in instructions.iter().enumerate() {
        check_one(at, *one, length)?;
    }
    match instructions.last() {
        Some(last) if matches!(last.code, RET_K | RET_A) => check_cells(instructions),
        _ => Err(VerifyError::NoReturn),
    }
}

const JEQ_X: u16 = JEQ | FROM_X;
const JGT_X: u16 = JGT | FROM_X;
const JGE_X: u16 = JGE | FROM_X;
const JSET_X: u16 = JSET | FROM_X;

fn check_one(at: usize, one: Instruction, length: usize) -> Result<(), VerifyError> {
    // Instructions after this one.
    let left = length - at - 1;
    match one.code {
        LD_W_ABS | LD_H_ABS | LD_B_ABS | LDX_MSH if one.k > i32::MAX as u32 => Err(VerifyError::Offset(at, one.k)),
        LD_MEM | LDX_MEM | ST | STX if one.k >= CELLS => Err(VerifyError::Cell(at, one.k)),
        DIV | MOD if one.k == 0 => Err(VerifyError::DivisionByZero(at)),
        LSH | RSH if one.k > 31 => Err(VerifyError::Shift(at, one.k)),
        JA if one.k as usize >= left => Err(VerifyError::Jump(at)),
        JEQ | JGT | JGE | JSET | JEQ_X | JGT_X | JGE_X | JSET_X if usize::from(one.jt.max(one.jf)) >= left => {
            Err(VerifyError::Jump(at))
        }
        code if is_known(code) => Ok(()),
        code => Err(VerifyError::Opcode(at, code)),
    }
}

fn is_known(code: u16) -> bool {
    let operand_x = code & FROM_X != 0;
    match code {
        LD_W_ABS | LD_H_ABS | LD_B_ABS | LD_W_IND | LD_H_IND | LD_B_IND | LD_IMM | LD_MEM | LD_LEN | LDX_IMM
        | LDX_MEM | LDX_LEN | LDX_MSH | ST | STX | NEG | JA | RET_K | RET_A | TAX | TXA => true,
        _ => {
            let base = if operand_x { code & !FROM_X } else { code };
            matches!(base, ADD | SUB | MUL | DIV | MOD | OR | AND | XOR | LSH | RSH | JEQ | JGT | JGE | JSET)
        }
    }
}

/// Every cell that is read was written on every way there. Jumps go forward only, so one pass sees all ways.
fn check_cells(instructions: &[Instruction]) -> Result<(), VerifyError> {
    // Cells written on all ways to an instruction, a bit each.
    let mut written = vec![u16::MAX; instructions.len()];
    if let Some(first) = written.first_mut() {
        *first = 0;
    }
    for (at, one) in instructions.iter().enumerate() {
        let mut cells = written.get(at).copied().unwrap_or(0);
        let bit = 1u16.checked_shl(one.k).unwrap_or(0);
        match one.code {
            ST | STX => cells |= bit,
            LD_MEM | LDX_MEM if cells & bit == 0 => return Err(VerifyError::Unwritten(at, one.k)),
            _ => {}
        }
        for next in successors(at, *one).into_iter().flatten() {
            if let Some(there) = written.get_mut(next) {
                *there &= cells;
            }
        }
    }
    Ok(())
}

/// Where the kernel sees the program going on: behind a return too, which only matters to what nothing else leads to.
fn successors(at: usize, one: Instruction) -> [Option<usize>; 2] {
    match one.code {
        JA => [Some(at + 1 + one.k as usize), None],
        JEQ | JGT | JGE | JSET | JEQ_X | JGT_X | JGE_X | JSET_X => {
            [Some(at + 1 + usize::from(one.jt)), Some(at + 1 + usize::from(one.jf))]
        }
        _ => [Some(at + 1), None],
    }
}
